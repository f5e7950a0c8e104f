# SPDX-License-Identifier: Apache-2.0
"""`slipway drift --compat evidently` against the real Evidently 0.7.23, number by number, on generated tables."""

from __future__ import annotations

import json
import math
import os
import pathlib
import subprocess

import drift_cases
import pytest
from slipway_server import BINARY

HERE = pathlib.Path(__file__).parent
WITH_REPORT = ("past_the_rule",)  # a report draws plots: seconds each
EVERY_METHOD = "psi,kl_div,jensenshannon,wasserstein,ks,hellinger,chisquare,z"


def slipway_drift(folder: pathlib.Path, case: str, *more: str) -> dict:
    command = [
        BINARY,
        "drift",
        "--reference",
        folder / f"{case}.reference.csv",
        "--current",
        folder / f"{case}.current.csv",
    ]
    command += ["--compat", "evidently", "--output", "json", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert (done.returncode == 1) == report["dataset_drift"]
    return report


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidently")
    for name, arguments in drift_cases.CASES.items():
        for side, table in zip(("reference", "current"), drift_cases.case(*arguments), strict=True):
            table.to_csv(folder / f"{name}.{side}.csv", index=False)
    (folder / "cases.json").write_text(json.dumps({name: name in WITH_REPORT for name in drift_cases.CASES}))
    program = [os.environ["SLIPWAY_EVIDENTLY"], str(HERE / "evidently_scores.py"), str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads((folder / "scores.json").read_text())


@pytest.mark.parametrize("case", drift_cases.CASES)
def test_every_score_of_every_column_is_evidentlys(oracle, case):
    folder, scores = oracle
    ours = {column["column"]: column for column in slipway_drift(folder, case, "--metrics", EVERY_METHOD)["columns"]}
    compared = 0
    for name, methods in scores[case]["methods"].items():
        for method, score in methods.items():
            shown = ours[name]["scores"][method]["score"]
            # JSON has no NaN: scipy's chi-square of a single category.
            shown = math.nan if shown is None else shown
            assert shown == pytest.approx(score, rel=1e-6, abs=1e-9, nan_ok=True), (name, method)
            compared += 1
        assert set(ours[name].get("scores", {})) == set(methods), name
    assert compared > 100


@pytest.mark.parametrize("case", drift_cases.CASES)
def test_the_choice_of_test_and_the_verdicts_are_evidentlys(oracle, case):
    folder, scores = oracle
    report = slipway_drift(folder, case)
    for column in report["columns"]:
        method, score, drifted = scores[case]["default"][column["column"]]
        assert column["scores"][column["method"]]["display_name"] == method, column["column"]
        assert column["score"] == pytest.approx(score, rel=1e-6, abs=1e-9), column["column"]
        assert column["drifted"] == drifted, column["column"]


@pytest.mark.parametrize("case", WITH_REPORT)
def test_the_data_sets_verdict_is_that_of_evidentlys_report(oracle, case):
    folder, scores = oracle
    report = slipway_drift(folder, case)
    count, share = scores[case]["report"]["drifted"]
    assert report["columns_drifted"] == count
    assert report["share_drifted"] == pytest.approx(share)
    for column in report["columns"]:
        score = scores[case]["report"]["scores"][column["column"]]
        assert column["score"] == pytest.approx(score, rel=1e-6, abs=1e-9), column["column"]


def test_a_column_without_a_value_is_refused_as_by_evidently(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    (tmp_path / "b.csv").write_text("x,y\ninf,1\n,2\n")
    done = subprocess.run(
        [BINARY, "drift", "--reference", tmp_path / "a.csv", "--current", tmp_path / "b.csv", "--compat", "evidently"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert "x: the current side has no finite value" in done.stderr
