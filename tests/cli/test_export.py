# SPDX-License-Identifier: Apache-2.0
"""`slipway export` as a person types it, from every framework, and what it refuses."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import joblib
import lightgbm
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import xgboost
from onnx import helper
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from slipway_server import BINARY

TIMEOUT_S = 300
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)


def export(*words: str, python: str | None = None, server: str = "http://127.0.0.1:1", expect: int = 0) -> str:
    command = [str(BINARY), "--server", server, "export", "--python", python or os.environ["SLIPWAY_PYTHON"], *words]
    # MLflow leaves the experiment of an earlier test's server in this process's environment.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=environment)
    assert done.returncode == expect, f"{done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def report_of(folder: pathlib.Path) -> dict:
    return json.loads((folder / "export_report.json").read_text())


def answers(folder: pathlib.Path, rows: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: rows})


def test_scikit_learn(tmp_path):
    model = make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=10, random_state=0)).fit(X, Y)
    joblib.dump(model, tmp_path / "model.pkl")
    printed = export(str(tmp_path / "model.pkl"), "--output", str(tmp_path / "out"))
    assert "random" in printed
    np.testing.assert_allclose(answers(tmp_path / "out", X)[1], model.predict_proba(X), atol=1e-5)
    report = report_of(tmp_path / "out")
    assert report["equal"] is True
    assert {check["kind"] for check in report["checks"]} >= {"random", "nan", "infinity", "extremes", "empty"}
    nan = next(check for check in report["checks"] if check["kind"] == "nan")
    assert nan["refused_by_source"] > 0  # scikit-learn's own refusal


def test_scikit_learn_on_a_table_with_categories(tmp_path):
    table = pd.DataFrame({"age": X[:, 0], "city": np.where(X[:, 1] > 0, "rome", "oslo")})
    encode = ColumnTransformer(
        [("n", StandardScaler(), ["age"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["city"])]
    )
    joblib.dump(make_pipeline(encode, LogisticRegression()).fit(table, Y), tmp_path / "model.pkl")
    np.savez(tmp_path / "golden.npz", age=X[:, :1], city=np.array(table["city"], dtype=str)[:, None])
    golden = ["--golden", str(tmp_path / "golden.npz")]
    export(str(tmp_path / "model.pkl"), "--output", str(tmp_path / "out"), *golden)
    report = report_of(tmp_path / "out")
    assert [one["name"] for one in report["inputs"]] == ["age", "city"]
    assert {check["kind"] for check in report["checks"]} >= {"golden", "unseen"}


def test_xgboost_and_lightgbm(tmp_path):
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 3}, xgboost.DMatrix(X, Y), 8)
    booster.save_model(tmp_path / "x.ubj")
    export(str(tmp_path / "x.ubj"), "--output", str(tmp_path / "x"))
    np.testing.assert_allclose(answers(tmp_path / "x", X)[1][:, 1], booster.predict(xgboost.DMatrix(X)), atol=1e-5)
    light = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(X, Y), 8)
    light.save_model(tmp_path / "l.txt")
    export(str(tmp_path / "l.txt"), "--output", str(tmp_path / "l"))
    np.testing.assert_allclose(answers(tmp_path / "l", X)[1][:, 1], light.predict(X), atol=1e-5)


MAKE_TORCH = """
import sys, torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2), torch.nn.Softmax(dim=1)).eval()
torch.jit.script(net).save(sys.argv[1] + "/script.pt")
torch.save(net, sys.argv[1] + "/net.pt")
"""
MAKE_TENSORFLOW = """
import sys, tensorflow as tf
tf.keras.utils.set_random_seed(0)
layers = [tf.keras.layers.Input((5,), name="x"), tf.keras.layers.Dense(8, "tanh"), tf.keras.layers.Dense(1, "sigmoid")]
tf.keras.Sequential(layers).export(sys.argv[1] + "/saved", verbose=False)
"""


def make(program: str, folder: pathlib.Path) -> str:
    frameworks = os.environ["SLIPWAY_FRAMEWORKS"]
    subprocess.run([frameworks, "-c", program, str(folder)], check=True, timeout=TIMEOUT_S, capture_output=True)
    return frameworks


def test_pytorch(tmp_path):
    python = make(MAKE_TORCH, tmp_path)
    for name in ("script.pt", "net.pt"):
        out = tmp_path / f"out-{name}"
        export(str(tmp_path / name), "--input", "x=FP32[5]", "--output", str(out), python=python)
        assert answers(out, X)[0].shape == (300, 2)


def test_tensorflow(tmp_path):
    python = make(MAKE_TENSORFLOW, tmp_path)
    export(str(tmp_path / "saved"), "--output", str(tmp_path / "out"), python=python)
    assert answers(tmp_path / "out", X)[0].shape == (300, 1)


BREAK_CONVERSION = """
import skl2onnx
real = skl2onnx.convert_sklearn
def broken(model, *arguments, **options):
    other = type(model)().fit(model.rows_, 1 - model.labels_)
    return real(other, initial_types=options["initial_types"], options={id(other): {"zipmap": False}})
skl2onnx.convert_sklearn = broken
"""


def test_an_export_that_differs_is_refused_and_nothing_is_left(tmp_path):
    model = LogisticRegression().fit(X, Y)
    model.rows_, model.labels_ = X, Y
    joblib.dump(model, tmp_path / "model.pkl")
    (tmp_path / "sitecustomize.py").write_text(BREAK_CONVERSION)
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}:$PYTHONPATH" exec "{os.environ["SLIPWAY_PYTHON"]}" "$@"\n')
    wrapper.chmod(0o755)
    words = [str(tmp_path / "model.pkl"), "--output", str(tmp_path / "out")]
    printed = export(*words, python=str(wrapper), expect=3)
    assert "DIFFERS" in printed
    assert "refused" in printed
    assert not (tmp_path / "out").exists()


def test_the_report_is_stored_with_the_registered_version(server, tmp_path):
    joblib.dump(LogisticRegression().fit(X, Y), tmp_path / "model.pkl")
    words = [str(tmp_path / "model.pkl"), "--output", str(tmp_path / "out"), "--register", "exported"]
    assert "exported version 1" in export(*words, server=server.url)
    version = server.get("/api/v1/models/exported/versions/1")
    assert {"export_report.json", "model.onnx", "MLmodel"} <= {file["path"] for file in version["files"]}
    assert version["status"] == "READY"
    np.savez(tmp_path / "golden.npz", input=X, probabilities=answers(tmp_path / "out", X)[1])
    server.cli("check", "exported/1", "--golden", str(tmp_path / "golden.npz"), "--bitwise")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["absent.pkl"], "model: there is no"),
        (["model.bin"], "--flavor"),
        (["model.pkl", "--golden", "model.bin"], "--golden: "),
        (["model.pt"], "--input: "),
    ],
)
def test_what_cannot_be_exported_is_said(tmp_path, words, text):
    joblib.dump(LogisticRegression().fit(X, Y), tmp_path / "model.pkl")
    (tmp_path / "model.bin").write_bytes(b"no model")
    python = os.environ["SLIPWAY_PYTHON"]
    if "model.pt" in words:
        python = make(MAKE_TORCH, tmp_path)
        words = ["net.pt"]
    paths = [str(tmp_path / word) if word.startswith(("model", "absent", "net")) else word for word in words]
    assert text in export(*paths, "--output", str(tmp_path / "out"), python=python, expect=1)
    assert not (tmp_path / "out").exists()


def test_wrong_words_are_a_usage_error(tmp_path):
    assert "--output" in export(str(tmp_path / "model.pkl"), expect=2)


def test_the_exported_graph_is_a_valid_one(tmp_path):
    joblib.dump(LogisticRegression().fit(X, Y), tmp_path / "model.pkl")
    export(str(tmp_path / "model.pkl"), "--output", str(tmp_path / "out"), "--opset", "15")
    model = onnx.load(tmp_path / "out" / "model.onnx")
    onnx.checker.check_model(model)
    assert max(opset.version for opset in model.opset_import if not opset.domain) <= 15
    assert helper.printable_graph(model.graph)
