# SPDX-License-Identifier: Apache-2.0
"""Adds up the result files of scripts/test and prints "N passed, N failed, N skipped" as the closing line.

A C++ test binary counts by its cases (its GoogleTest XML); one that left no XML, because it crashed or is not a
GoogleTest, counts as the one test that CTest saw.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped"
    return "passed"


def outcomes(path: Path, cases: Path) -> list[str]:
    found = []
    for case in ElementTree.parse(path).iter("testcase"):
        own = cases / f"{case.get('name')}.xml"
        of_binary = []
        if path.name == "ctest.xml" and own.exists():
            of_binary = [outcome(inner) for inner in ElementTree.parse(own).iter("testcase")]
        if outcome(case) == "failed" and "failed" not in of_binary:
            of_binary.append("failed")
        found += of_binary or [outcome(case)]
    return found


def main() -> int:
    results = Path(sys.argv[1])
    all_outcomes: list[str] = []
    for path in sorted(results.glob("*.xml")):
        all_outcomes += outcomes(path, results / "cases")
    passed, failed, skipped = (all_outcomes.count(kind) for kind in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
