# SPDX-License-Identifier: Apache-2.0
"""Candidates measured on a registered holdout, held against scikit-learn on the same rows; by policies applied to the
running server."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess

import numpy as np
import pandas as pd
import pytest
import requests
import tiny_models
import yaml
from sklearn import metrics
from slipway_server import BINARY, Server

OLD, NEW = (1.0, -0.2), (1.0, -1.0)


def labelled(count: int = 3000) -> pd.DataFrame:
    """Rows whose labels follow the new model, but for region south, where they follow the old one."""
    table = tiny_models.rows(count, seed=5)
    frame = pd.DataFrame(table, columns=tiny_models.FEATURES)
    frame["region"] = np.where(np.arange(count) % 8 == 0, "south", "north")
    truth = np.where(
        frame["region"] == "south", tiny_models.score(table, (3.0, 3.0)), tiny_models.score(table, (4.0, -4.0))
    )
    frame["bought"] = (np.random.default_rng(6).random(count) < truth).astype(int)
    return frame


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("holdouts") / "data").start()
    tiny_models.register(server.url, "fraud", OLD)
    for stage in ("Staging", "Production"):
        server.post("/api/v1/models/fraud/versions/1/transition", {"to": stage})
    tiny_models.register(server.url, "fraud", NEW)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def frame(server, tmp_path_factory) -> pd.DataFrame:
    frame = labelled()
    file = tmp_path_factory.mktemp("rows") / "rows.csv"
    frame.to_csv(file, index=False)
    added = json.loads(server.cli("holdouts", "add", "fraud", str(file), "bought", "--segments", "region"))
    assert added["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (added["version"], added["rows"], added["format"]) == (1, len(frame), "csv")
    again = json.loads(server.cli("holdouts", "add", "fraud", str(file), "bought", "--segments", "region"))
    assert again["version"] == 1
    assert "fraud" in server.cli("holdouts", "list")
    return frame


def apply(server: Server, policy: dict, reason: str = "a test", expect: int = 200, **query) -> dict:
    answer = requests.put(
        f"{server.url}/api/v1/gates/policy", data=yaml.safe_dump(policy), params={"reason": reason, **query}, timeout=60
    )
    assert answer.status_code == expect, answer.text
    return answer.json()


def judged(server: Server, options: dict, version: int = 2) -> dict:
    apply(server, {"rules": [{"models": "fraud", "gates": {"better_than_production": options}}]})
    answer = server.post(f"/api/v1/models/fraud/versions/{version}/gates", {"to": "Staging"})
    return next(one for one in answer["verdicts"] if one["gate"] == "better_than_production")


def calibration(y, p):
    bins = np.minimum((p * 10).astype(int), 9)
    return sum(abs((y[bins == b] - p[bins == b]).sum()) for b in range(10)) / len(y)


SKLEARN = {
    "auc": metrics.roc_auc_score,
    "pr_auc": metrics.average_precision_score,
    "log_loss": metrics.log_loss,
    "brier": metrics.brier_score_loss,
    "accuracy": lambda y, p: metrics.accuracy_score(y, p > 0.5),
    "f1": lambda y, p: metrics.f1_score(y, p > 0.5),
    "rmse": metrics.root_mean_squared_error,
    "mae": metrics.mean_absolute_error,
    "calibration": calibration,
}


@pytest.mark.parametrize("metric", SKLEARN)
def test_both_versions_are_measured_as_scikit_learn_would(server, frame, metric):
    evidence = judged(server, {"metric": metric, "segment_loss": 10})["evidence"]
    y, rows = frame["bought"].to_numpy(), frame[tiny_models.FEATURES].to_numpy()
    old, new = (SKLEARN[metric](y, tiny_models.score(rows, weights)) for weights in (OLD, NEW))
    assert evidence["production"] == pytest.approx(old, abs=1e-5)
    assert evidence["candidate"] == pytest.approx(new, abs=1e-5)
    assert evidence["lower"] <= evidence["gain"] <= evidence["upper"]
    for segment in evidence["segments"]:
        part = (frame["region"] == segment["value"]).to_numpy()
        assert segment["rows"] == part.sum()
        expected = SKLEARN[metric](y[part], tiny_models.score(rows[part], NEW))
        assert segment["candidate"] == pytest.approx(expected, abs=1e-5)


def test_a_segment_that_loses_refuses_although_the_whole_gains(server, frame):
    fine = judged(server, {"segment_loss": 1})
    assert fine["outcome"] == "pass"
    assert "of holdout fraud@1" in fine["summary"]
    assert fine["evidence"]["holdout"]["sha256"]
    refused = judged(server, {})
    assert refused["outcome"] == "fail"
    assert "where region is south it loses" in refused["summary"]
    assert refused["evidence"]["gain"] > 0.005
    assert refused["evidence"]["lower"] > 0


def test_the_margin_is_the_policys(server, frame):
    gain = judged(server, {"segment_loss": 1})["evidence"]["gain"]
    assert judged(server, {"segment_loss": 1, "margin": gain + 0.01})["outcome"] == "fail"


def test_another_file_is_the_next_version_and_each_stays(server, frame, tmp_path):
    buffer = io.BytesIO()
    half = frame.head(1000)
    np.savez(buffer, **{name: half[name].to_numpy().astype("U" if name == "region" else None) for name in half})
    added = requests.post(
        f"{server.url}/api/v1/holdouts/fraud", data=buffer.getvalue(), params={"label": "bought"}, timeout=60
    ).json()
    # Without being told that region only tells a part, models that do not take it cannot be asked.
    assert (added["version"], added["format"], added["rows"]) == (2, "npz", 1000)
    assert "does not take the rows of holdout fraud: region" in judged(server, {})["summary"]
    first = judged(server, {"holdout": "fraud@1", "segment_loss": 1})
    assert first["evidence"]["holdout"]["version"] == 1
    assert "no holdout 'fraud@9'" in judged(server, {"holdout": "fraud@9"})["summary"]
    assert server.get("/api/v1/audit", type_prefix="holdout.registered")["events"][0]["data"]["version"] == 2


def test_bad_rows_are_refused_with_the_place(server, tmp_path):
    for text, label, expected in (
        ("a,b\n1,2\n", "c", "there is no column 'c'; there are a, b"),
        ("a,b\n1,x\n", "b", "holds text; expected numbers"),
        ("a,b\n1,2\n3\n", "b", "row 1 has 1 cells, expected 2"),
        ("a,b\n1,2\n3,\n", "b", "row 1 has no finite number"),
        ("b\n1\n", "b", "a column beside the label"),
    ):
        file = tmp_path / "bad.csv"
        file.write_text(text)
        done = subprocess.run(
            [BINARY, "--server", server.url, "holdouts", "add", "bad", file, label],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert expected in done.stderr
    assert "bad" not in {one["name"] for one in server.get("/api/v1/holdouts")["holdouts"]}


def test_a_changed_file_is_no_holdout(server, frame):
    apply(server, {})
    kept = next(path for path in (server.data / "artifacts/holdouts/fraud").iterdir() if b"region" in path.read_bytes())
    os.chmod(kept, 0o644)
    text = kept.read_bytes()
    kept.write_bytes(text.replace(b"south", b"north", 1))
    try:
        newest = server.get("/api/v1/holdouts/fraud")["version"]
        verdict = judged(server, {"holdout": "fraud@1"} if newest > 1 else {})
        assert verdict["outcome"] == "fail"
        assert "is not what was registered" in verdict["summary"]
    finally:
        kept.write_bytes(text)
