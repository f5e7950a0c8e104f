# SPDX-License-Identifier: Apache-2.0
"""check_headers.py BUILD_FOLDER: every header under src/ compiles alone and stays under 65,000 preprocessed lines
(blank lines and line markers aside).

A header whose preprocessed text was already found good is not compiled again (BUILD_FOLDER/good_headers.txt remembers).
"""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SRC = Path(__file__).resolve().parent.parent / "src"
MAX_LINES = 65_000
COMPILER = ["g++", "-std=c++20", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]


def check(header: Path, build: Path, good: set[str]) -> tuple[str, str]:
    """The digest of the header's preprocessed text, and what is wrong with it ("" when nothing is)."""
    name = header.relative_to(SRC).as_posix()
    preprocess = [*COMPILER, "-I", SRC, "-I", build / "generated", "-E", "-x", "c++", "-"]
    text = subprocess.run(preprocess, input=f'#include "{name}"\n'.encode(), capture_output=True, check=False)
    if text.returncode:
        return "", f"src/{name}: {text.stderr.decode()}"
    lines = sum(1 for line in text.stdout.splitlines() if line.strip() and not line.startswith(b"#"))
    if lines > MAX_LINES:
        return "", f"src/{name}: {lines} preprocessed lines, at most {MAX_LINES}"
    digest = hashlib.sha256(text.stdout).hexdigest()
    if digest in good:
        return digest, ""
    command = [*COMPILER, "-fsyntax-only", "-x", "c++-cpp-output", "-"]
    compiled = subprocess.run(command, input=text.stdout, capture_output=True, check=False)
    return digest, f"src/{name}: {compiled.stderr.decode()}" if compiled.returncode else ""


def main() -> int:
    build = Path(sys.argv[1])
    memory = build / "good_headers.txt"
    good = set(memory.read_text().split()) if memory.exists() else set()
    headers = sorted(SRC.rglob("*.h"))
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = list(pool.map(lambda header: check(header, build, good), headers))
    memory.write_text("\n".join(sorted(digest for digest, wrong in results if not wrong)))
    breaches = [wrong for _, wrong in results if wrong]
    print("\n".join(breaches) or f"{len(headers)} headers compile alone")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
