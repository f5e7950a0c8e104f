# SPDX-License-Identifier: Apache-2.0
"""`slipway performance estimate`: CBPE on files against scikit-learn's isotonic curve, and refusals."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from slipway_server import BINARY


def table(seed: int, rows: int, power: float, low: bool) -> pd.DataFrame:
    """Scores whose true chance of 1 is score ** power; rounded, so that there are ties."""
    rng = np.random.default_rng(seed)
    score = rng.random(rows) ** (3 if low else 1)
    label = (rng.random(rows) < score**power).astype(int)
    return pd.DataFrame({"score": np.round(score, 3), "label": label})


def run(reference, current, *more, method="cbpe") -> subprocess.CompletedProcess:
    words = ["performance", "estimate", "--method", method, "--reference", reference, "--current", current]
    words += ["--score", "score", "--label", "label", *more]
    return subprocess.run([str(BINARY), *map(str, words)], capture_output=True, text=True, timeout=60, check=False)


def estimate_of(reference, current, *more) -> dict:
    done = run(reference, current, *more, "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def expected(reference: pd.DataFrame, current: pd.DataFrame, calibrated: bool, called=None) -> dict:
    chance = current.score.to_numpy()
    if calibrated:
        curve = IsotonicRegression(out_of_bounds="clip").fit(reference.score, reference.label)
        chance = curve.predict(current.score)
    called = current.score.to_numpy() > 0.5 if called is None else called
    true_positives = chance[called].sum()
    right = true_positives + (1 - chance)[~called].sum()
    wrong = (1 - chance)[called].sum() + chance[~called].sum()
    both = np.concatenate([current.score, current.score])
    truth = np.concatenate([np.ones(len(current)), np.zeros(len(current))])
    return {
        "accuracy": right / len(current),
        "f1": 2 * true_positives / (2 * true_positives + wrong),
        "auc": roc_auc_score(truth, both, sample_weight=np.concatenate([chance, 1 - chance])),
    }


@pytest.mark.parametrize("seed", range(6))
def test_estimates_equal_an_independent_computation(tmp_path, seed):
    reference = table(seed, 3000, [1, 2, 0.5][seed % 3], False)
    current = table(100 + seed, 1500, [1, 2, 0.5][seed % 3], True)
    reference.to_csv(tmp_path / "a.csv", index=False)
    current.to_parquet(tmp_path / "b.parquet")
    answer = estimate_of(tmp_path / "a.csv", tmp_path / "b.parquet")
    better = answer["reference_calibration_error_calibrated"] < answer["reference_calibration_error"]
    assert answer["calibrated"] == better
    want = expected(reference, current, answer["calibrated"])
    assert answer["estimated"]["accuracy"]["value"] == pytest.approx(want["accuracy"], rel=1e-6)
    assert answer["estimated"]["f1"] == pytest.approx(want["f1"], rel=1e-6)
    assert answer["estimated"]["auc"] == pytest.approx(want["auc"], rel=1e-6)
    called = current.score > 0.5
    assert answer["realized"]["accuracy"]["value"] == pytest.approx(accuracy_score(current.label, called))
    assert answer["realized"]["f1"]["value"] == pytest.approx(f1_score(current.label, called))
    assert answer["realized"]["auc"]["value"] == pytest.approx(roc_auc_score(current.label, current.score))
    assert abs(answer["estimated"]["accuracy"]["value"] - answer["realized"]["accuracy"]["value"]) < 0.04


def test_the_models_own_predictions_and_named_classes(tmp_path):
    reference = table(1, 2000, 2, False)
    current = table(2, 500, 2, False)
    called = (current.score > 0.7).to_numpy()
    want = expected(reference, current, True, called)
    reference.assign(label=np.where(reference.label == 1, "late", "on time")).to_csv(tmp_path / "a.csv", index=False)
    current.assign(said=np.where(called, "late", "on time"), label="").to_csv(tmp_path / "b.csv", index=False)
    answer = estimate_of(tmp_path / "a.csv", tmp_path / "b.csv", "--prediction", "said", "--positive-label", "late")
    assert answer["calibrated"]
    assert answer["estimated"]["accuracy"]["value"] == pytest.approx(want["accuracy"], rel=1e-6)
    assert answer["realized"] is None


def test_the_table_says_what_it_cannot_see(tmp_path):
    table(1, 2000, 1, False).to_csv(tmp_path / "a.csv", index=False)
    done = run(tmp_path / "a.csv", tmp_path / "a.csv")
    assert done.returncode == 0
    assert "ESTIMATED" in done.stdout
    assert "concept drift" in done.stdout


def test_refusals_name_the_option(tmp_path):
    table(1, 2000, 1, False).to_csv(tmp_path / "a.csv", index=False)
    table(1, 10, 1, False).to_csv(tmp_path / "short.csv", index=False)
    pd.DataFrame({"score": [1.5], "label": [1]}).to_csv(tmp_path / "outside.csv", index=False)
    pd.DataFrame({"other": [0.5]}).to_csv(tmp_path / "other.csv", index=False)
    for reference, current, words in (
        ("short.csv", "a.csv", "at least 20"),
        ("a.csv", "outside.csv", "not a probability"),
        ("a.csv", "other.csv", "no column 'score'"),
        ("missing.csv", "a.csv", "missing.csv"),
    ):
        done = run(tmp_path / reference, tmp_path / current)
        assert done.returncode == 2, done.stdout
        assert words in done.stderr
    done = run(tmp_path / "a.csv", tmp_path / "a.csv", method="dle")
    assert done.returncode == 2
    assert "cbpe" in done.stderr
