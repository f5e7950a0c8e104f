# SPDX-License-Identifier: Apache-2.0
"""stand_in_libraries.py FOLDER WORK [LIBRARY...]: makes the shared libraries in FOLDER loadable without what they need.

torch's wheel is linked to CUDA's libraries, two gigabytes that only run where there is a GPU. For each needed library
that neither FOLDER nor LIBRARY nor the system has, one of that name is built into FOLDER: it defines the functions that
are asked of it, in the version that is asked for, and each of them returns an error.
"""

import pathlib
import re
import subprocess
import sys

FAILS = "int %s(void) { return 999; }\n"


def dump(option: str, library: pathlib.Path) -> str:
    return subprocess.run(["objdump", option, str(library)], capture_output=True, text=True, check=True).stdout


def needed(library: pathlib.Path) -> tuple[list[str], dict[str, str]]:
    """The libraries that this one needs, and which of them each version of a symbol comes from."""
    text = dump("-p", library)
    versions = {}
    for source, lines in re.findall(r"required from (\S+):\n((?:\s+0x.*\n)*)", text):
        versions |= {line.split()[-1]: source for line in lines.splitlines()}
    return re.findall(r"NEEDED\s+(\S+)", text), versions


def symbols(library: pathlib.Path) -> tuple[set[str], dict[str, str]]:
    """Names that are defined, and undefined ones that are not weak with their version ("" for none)."""
    defined, undefined = set(), {}
    for line in dump("-T", library).splitlines():
        match = re.match(r"[0-9a-f]{16} (.{7}) (\S+)\s+[0-9a-f]+\s+(?:\(?([\w.]+)\)?\s+)?(\S+)$", line)
        if not match:
            continue
        flags, section, version, name = match.groups()
        if section != "*UND*":
            defined.add(name)
        elif "w" not in flags:
            undefined[name] = "" if version in (None, "Base") else version
    return defined, undefined


def build(folder: pathlib.Path, work: pathlib.Path, soname: str, versions: dict[str, set[str]]) -> None:
    source, script = work / "stand_in.c", work / "stand_in.map"
    source.write_text("".join(FAILS % name for names in versions.values() for name in sorted(names)))
    nodes = {version: names for version, names in versions.items() if version}
    script.write_text(
        "".join(f"{version} {{ global: {'; '.join(sorted(names))}; }};\n" for version, names in nodes.items())
    )
    command = [
        "gcc",
        "-shared",
        "-fPIC",
        "-w",
        "-fno-builtin",
        f"-Wl,-soname,{soname}",
        "-o",
        str(folder / soname),
        str(source),
    ]
    subprocess.run(command + ([f"-Wl,--version-script,{script}"] if nodes else []), check=True)


def wanted(libraries: list[pathlib.Path], have: set[str], defined: set[str]) -> dict[str, dict[str, set[str]]]:
    """For each missing library the names that are asked of it, by version."""
    found: dict[str, dict[str, set[str]]] = {}
    for library in libraries:
        names, sources = needed(library)
        missing = [name for name in names if name not in have]
        found |= {name: {} for name in missing if name not in found}
        for symbol, version in symbols(library)[1].items():
            # A name without a version may come from any library: NVIDIA's begin like this.
            source = sources.get(version) if version else next(iter(missing), None)
            if source in missing and symbol not in defined and (version or re.match("_*(cu|nccl|nv)", symbol)):
                found[source].setdefault(version, set()).add(symbol)
    return found


def main(folder: pathlib.Path, work: pathlib.Path, others: list[pathlib.Path]) -> None:
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    libraries = [path for path in folder.iterdir() if ".so" in path.name]
    have = set(re.findall(r"^\s+(\S+) ", cache, re.MULTILINE)) | {library.name for library in [*libraries, *others]}
    defined = set().union(*(symbols(library)[0] for library in [*libraries, *others]))
    for soname, versions in wanted(libraries, have, defined).items():
        build(folder, work, soname, versions)
        print(f"{soname}: {sum(map(len, versions.values()))} functions")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), [pathlib.Path(path) for path in sys.argv[3:]])
