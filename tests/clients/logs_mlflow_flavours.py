# SPDX-License-Identifier: Apache-2.0
"""Logs, registers and loads one model of each flavour, as people's scripts do.

logs_mlflow_flavours.py URL, run with SLIPWAY_FRAMEWORKS; the last line of output is
{flavour: {"version": n, "by_version": bool, "by_alias": bool}, "autolog": {...}, "nested": {...}}.
"""

import json
import sys

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import torch
import xgboost
from mlflow import MlflowClient
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

ROWS = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
TARGET = (ROWS[:, 0] > 0).astype(int)
TABLE = pd.DataFrame(ROWS, columns=["a", "b", "c"])


class Sum(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input.sum(axis=1).to_numpy()


def sklearn(name):
    model = LogisticRegression().fit(TABLE, TARGET)
    return mlflow.sklearn.log_model(model, name="model", registered_model_name=name), TABLE, model.predict(TABLE)


def onnx(name):
    model = LogisticRegression().fit(ROWS, TARGET)
    exported = to_onnx(model, ROWS[:1], options={"zipmap": False})
    return mlflow.onnx.log_model(exported, name="model", registered_model_name=name), ROWS, model.predict(ROWS)


def gradient_boosting(name):
    model = xgboost.XGBClassifier(n_estimators=3).fit(TABLE, TARGET)
    return mlflow.xgboost.log_model(model, name="model", registered_model_name=name), TABLE, model.predict(TABLE)


def light(name):
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(TABLE, TARGET)
    return mlflow.lightgbm.log_model(model, name="model", registered_model_name=name), TABLE, model.predict(TABLE)


def pytorch(name):
    model = torch.nn.Linear(3, 2).eval()
    expected = model(torch.from_numpy(ROWS)).detach().numpy()
    info = mlflow.pytorch.log_model(model, name="model", registered_model_name=name, serialization_format="pickle")
    return info, ROWS, expected


def pyfunc(name):
    info = mlflow.pyfunc.log_model(name="model", python_model=Sum(), registered_model_name=name)
    return info, TABLE, TABLE.sum(axis=1).to_numpy()


def same(uri, rows, expected):
    answers = mlflow.pyfunc.load_model(uri).predict(rows)
    if isinstance(answers, dict):
        answers = next(iter(answers.values()))
    return bool(np.allclose(np.asarray(answers).astype(float), expected.astype(float), atol=1e-5))


def autolog():
    mlflow.sklearn.autolog()
    with mlflow.start_run() as run:
        LogisticRegression(C=0.5).fit(TABLE, TARGET)
    mlflow.sklearn.autolog(disable=True)
    logged = mlflow.get_run(run.info.run_id)
    return {
        "C": logged.data.params["C"],
        "metrics": sorted(logged.data.metrics),
        "datasets": len(logged.inputs.dataset_inputs),
        "models": len(logged.outputs.model_outputs),
        "files": sorted(f.path for f in MlflowClient().list_artifacts(run.info.run_id)),
    }


def nested():
    with mlflow.start_run() as parent:
        for depth in (1, 2):
            with mlflow.start_run(nested=True, run_name=f"depth-{depth}"):
                mlflow.log_metric("auc", depth / 10)
    found = mlflow.search_runs(
        filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=["metrics.auc DESC"]
    )
    return found["tags.mlflow.runName"].tolist()


def main():
    mlflow.set_tracking_uri(sys.argv[1])
    mlflow.set_experiment("flavours")
    flavours = {
        "sklearn": sklearn,
        "onnx": onnx,
        "xgboost": gradient_boosting,
        "lightgbm": light,
        "pytorch": pytorch,
        "pyfunc": pyfunc,
    }
    results = {}
    for flavour, log in flavours.items():
        name = f"flavour-{flavour}"
        with mlflow.start_run():
            info, rows, expected = log(name)
        version = int(info.registered_model_version)
        MlflowClient().set_registered_model_alias(name, "best", version)
        results[flavour] = {
            "version": version,
            "by_version": same(f"models:/{name}/{version}", rows, expected),
            "by_alias": same(f"models:/{name}@best", rows, expected),
            "by_logged_model": same(info.model_uri, rows, expected),
        }
    print(json.dumps({**results, "autolog": autolog(), "nested": nested()}))


main()
