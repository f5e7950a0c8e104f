# SPDX-License-Identifier: Apache-2.0
"""Checks every #include under src/ against src/LAYERS and the house's rules; prints each breach and exits 1.

1. A room includes only itself and rooms of lower layers.      2. From another room only "room/x.h".
3. Standard headers only in a .h (and <sys/types.h>).        4. No cycle between headers.
5. What a row of src/ROWS consists of is included only by itself, src/app/assembly.cc and store tests.
"""

import re
import sys
from pathlib import Path

SRC = Path(__file__).resolve().parent.parent / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
GENERATED = re.compile(r"^(slipway_\w+\.h|embedded/\w+\.h|.*/migrations\.h|.*\.pb\.h)$")
STANDARD_NAMES = """
    algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes
    climits cmath compare complex concepts condition_variable coroutine csignal cstdarg cstddef cstdint cstdio
    cstdlib cstring ctime deque exception execution filesystem forward_list fstream functional future
    initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory
    memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
    semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string string_view
    syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray
    variant vector version
"""
STANDARD = set(STANDARD_NAMES.split())


def read_layers() -> dict[str, int]:
    layers = {}
    lines = [line for line in (SRC / "LAYERS").read_text().splitlines() if line and not line.startswith("#")]
    for number, line in enumerate(lines):
        for room in line.split():
            layers[room] = number
    return layers


def read_rows() -> dict[str, list[str]]:
    rows = {}
    for line in (SRC / "ROWS").read_text().splitlines():
        if line and not line.startswith("#"):
            name, *parts = line.split()
            rows[name] = parts
    return rows


def room_of(path: str, layers: dict[str, int]) -> str | None:
    folders = path.split("/")[:-1]
    for length in range(len(folders), 0, -1):
        if "/".join(folders[:length]) in layers:
            return "/".join(folders[:length])
    return None


def check_angle(name: str, header: str) -> str | None:
    if not name.endswith(".h") or header in STANDARD or header == "sys/types.h":
        return None
    if name.endswith("testing.h") and header.startswith(("gtest/", "gmock/")):
        return None
    return f"<{header}> in a header; only the C++ standard library may be"


def check_quoted(name: str, header: str, layers: dict[str, int]) -> str | None:
    if GENERATED.match(header):
        if header.endswith(".pb.h") and name.endswith(".h"):
            return f'"{header}" in a header; generated protobuf code belongs in a .cc'
        if "/" not in header or header.startswith("embedded/"):
            return None
    elif not (SRC / header).is_file():
        return f'"{header}": no such file under src/ (write the path from src/)'
    own, other = room_of(name, layers), room_of(header, layers)
    if own is None:  # main.cc
        return None
    if other is None:
        return f'"{header}" is in no room of src/LAYERS'
    if own == other:
        return None
    if layers[other] >= layers[own]:
        return f'"{header}": {own} may not include {other}, which is not on a lower layer'
    if "/" in header.removeprefix(other + "/"):
        return f'"{header}" is private to {other}'
    return None


def check_row(name: str, header: str, rows: dict[str, list[str]]) -> str | None:
    if name == "app/assembly.cc" or name.endswith("_store_test.cc"):
        return None
    for row, parts in rows.items():
        headers = [part.removesuffix(".cc") + ".h" for part in parts if part.endswith(".cc")]
        folders = [part + "/" for part in parts if not part.endswith(".cc")]
        if header not in headers and not header.startswith(tuple(folders)):
            continue
        own = [part.removesuffix(".cc") for part in parts if part.endswith(".cc")] + folders
        if not name.startswith(tuple(own)):
            return f'"{header}" belongs to the row {row} of src/ROWS; only app/assembly.cc may include it'
    return None


def find_cycle(graph: dict[str, list[str]]) -> list[str]:
    state: dict[str, int] = {}  # 1 on the path, 2 done
    path: list[str] = []

    def visit(node: str) -> list[str]:
        state[node] = 1
        path.append(node)
        for target in graph.get(node, []):
            if state.get(target) == 1:
                return [*path[path.index(target) :], target]
            if target not in state and (cycle := visit(target)):
                return cycle
        path.pop()
        state[node] = 2
        return []

    for node in graph:
        if node not in state and (cycle := visit(node)):
            return cycle
    return []


def main() -> int:
    layers, rows = read_layers(), read_rows()
    breaches = []
    graph: dict[str, list[str]] = {}
    files = sorted([*SRC.rglob("*.h"), *SRC.rglob("*.cc")])
    for file in files:
        name = file.relative_to(SRC).as_posix()
        if name != "main.cc" and room_of(name, layers) is None:
            breaches.append(f"src/{name}: in no room of src/LAYERS")
        for kind, header in INCLUDE.findall(file.read_text()):
            if kind == "<":
                found = [check_angle(name, header)]
            else:
                found = [check_quoted(name, header, layers), check_row(name, header, rows)]
                if name.endswith(".h"):
                    graph.setdefault(name, []).append(header)
            breaches += [f"src/{name}: {breach}" for breach in found if breach]
    if cycle := find_cycle(graph):
        breaches.append("headers include each other: " + " -> ".join(cycle))
    print("\n".join(breaches) or f"{len(files)} files keep the order of src/LAYERS")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
