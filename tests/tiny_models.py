# SPDX-License-Identifier: Apache-2.0
"""Tiny ONNX models made on the spot, and their registration with the real MLflow client."""

from __future__ import annotations

import importlib.metadata

import mlflow
import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper

FEATURES = ["age", "income"]
# What the client calls where a model is logged: MLflow 2 has another word.
MODEL = {"name" if int(importlib.metadata.version("mlflow").split(".")[0]) >= 3 else "artifact_path": "model"}


def logistic(weights=(1.0, -1.0), bias=0.0) -> onnx.ModelProto:
    """Two FP32 inputs [N,1] named age and income -> label INT64 [N], probabilities FP32 [N,2]."""
    nodes = [
        helper.make_node("Concat", FEATURES, ["x"], axis=1),
        helper.make_node("MatMul", ["x", "w"], ["xw"]),
        helper.make_node("Add", ["xw", "b"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["p1"]),
        helper.make_node("Sub", ["one", "p1"], ["p0"]),
        helper.make_node("Concat", ["p0", "p1"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1]) for name in FEATURES]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2]),
    ]
    constants = [
        helper.make_tensor("w", TensorProto.FLOAT, [2, 1], list(weights)),
        helper.make_tensor("b", TensorProto.FLOAT, [1], [bias]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
    ]
    graph = helper.make_graph(nodes, "logistic", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def score(rows: np.ndarray, weights=(1.0, -1.0), bias=0.0) -> np.ndarray:
    """What `logistic` answers: P(1) for each row [age, income]."""
    return 1 / (1 + np.exp(-(rows @ np.asarray(weights) + bias)))


def rows(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)


def register(
    url: str,
    name: str = "tiny",
    weights=(1.0, -1.0),
    bias: float = 0.0,
    dataset: bool = True,
    golden_weights=None,
) -> int:
    """Logs a complete run and registers the next version; `golden_weights` lets the golden set disagree."""
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    mlflow.set_experiment(f"{name}-training")
    table = rows(500)
    golden = rows(32, seed=1)
    expected = score(golden, golden_weights or weights, bias)
    with mlflow.start_run():
        mlflow.log_params({"w0": weights[0], "w1": weights[1]})
        mlflow.log_metrics({"holdout_auc": 0.8, "training_duration_s": 0.25})
        mlflow.set_tag("git_sha", "0123456789abcdef0123456789abcdef01234567")
        if dataset:
            frame = pd.DataFrame(table, columns=FEATURES)
            mlflow.log_input(mlflow.data.from_pandas(frame, source="generated", name="tiny-rows"), context="training")
        mlflow.log_dict(
            {
                "inputs": {"dataframe_split": {"columns": FEATURES, "data": golden.tolist()}},
                "outputs": {"probabilities": np.column_stack([1 - expected, expected]).tolist()},
                "tolerance": {"absolute": 1e-5, "relative": 1e-5},
            },
            "golden/golden.json",
        )
        mlflow.log_dict(
            {
                "columns": {column: table[:, i].tolist() for i, column in enumerate(FEATURES)},
                "scores": score(table, weights, bias).tolist(),
            },
            "monitoring/baseline.json",
        )
        info = mlflow.onnx.log_model(logistic(weights, bias), **MODEL, registered_model_name=name)
    return int(info.registered_model_version)
