# SPDX-License-Identifier: Apache-2.0
"""Checks what every file of the repository must have or must not have; prints each breach and exits 1.

1. A source file has its SPDX line.
2. Every room has a README.md of at most 40 lines, which names the rows of src/ROWS that lie in it.
3. No file names the host of a package registry (a lock without download addresses works with any mirror).
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPDX = "SPDX-License-Identifier: Apache-2.0"
SOURCES = (".h", ".cc", ".py", ".ts", ".proto", ".cmake", ".sh")
HOSTS = re.compile(r"pypi[.]org|pythonhosted[.]org|registry[.]npmjs|proxy[.]golang|deb[.]debian|repo1?[.]maven")


def repository_files() -> list[str]:
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


def check_file(name: str) -> list[str]:
    try:
        text = (ROOT / name).read_text()
    except UnicodeDecodeError:
        return []  # a picture
    breaches = []
    script = name.startswith("scripts/") and text.startswith("#!")
    if (name.endswith((*SOURCES, "CMakeLists.txt", "Makefile")) or script) and SPDX not in text[:200]:
        breaches.append(f"{name}: no '{SPDX}' at the top")
    if host := HOSTS.search(text):
        breaches.append(f"{name}: names {host.group(0)}")
    return breaches


def check_rooms() -> list[str]:
    breaches = []
    readmes = {}
    for line in (ROOT / "src/LAYERS").read_text().splitlines():
        for room in [] if line.startswith("#") else line.split():
            if not (ROOT / "src" / room / "CMakeLists.txt").exists():
                continue
            readme = ROOT / "src" / room / "README.md"
            readmes[room] = readme.read_text() if readme.exists() else ""
            lines = readmes[room].count("\n")
            if not 0 < lines <= 40:
                breaches.append(f"src/{room}/README.md: {lines} lines; there must be one, of at most 40")
    return breaches + check_rows(readmes)


def check_rows(readmes: dict[str, str]) -> list[str]:
    breaches = []
    for line in (ROOT / "src/ROWS").read_text().splitlines():
        name, *parts = [""] if line.startswith("#") else line.split()
        for part in parts:
            room = next((room for room in readmes if f"{part}/".startswith(room + "/")), "")
            if room and not (ROOT / "src" / part).exists():
                breaches.append(f"src/ROWS: the row {name} names {part}, which is not there")
            if room and name not in readmes[room].lower():
                breaches.append(f"src/{room}/README.md: does not name the row {name} of src/ROWS")
    return breaches


def main() -> int:
    files = repository_files()
    breaches = [breach for name in files for breach in check_file(name)] + check_rooms()
    print("\n".join(breaches) or f"{len(files)} files keep the rules")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
