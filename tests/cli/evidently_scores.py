# SPDX-License-Identifier: Apache-2.0
"""Run in the environment that has Evidently: `evidently_scores.py FOLDER`, where cases.json says {case: with a
report} and each case has CASE.reference.csv and CASE.current.csv. Writes scores.json.
"""

from __future__ import annotations

import json
import pathlib
import sys
import warnings

import numpy as np
import pandas as pd
from evidently import Dataset, Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.calculations.stattests.registry import get_registered_stattest
from evidently.legacy.core import ColumnType
from evidently.metrics import DriftedColumnsCount, ValueDrift

warnings.filterwarnings("ignore")
NUMERIC = ("psi", "kl_div", "jensenshannon", "wasserstein", "ks", "hellinger")
CATEGORICAL = ("psi", "kl_div", "jensenshannon", "hellinger", "chisquare", "z")


def cleaned(column: pd.Series) -> pd.Series:
    return column.replace([-np.inf, np.inf], np.nan).dropna()  # as Evidently does before any test


def measure(reference: pd.DataFrame, current: pd.DataFrame) -> dict:
    now = Dataset.from_pandas(current)
    out: dict = {"default": {}, "methods": {}}
    for name in current.columns:
        kind = ColumnType(now.column(name).type.value)
        r, c = cleaned(reference[name]), cleaned(current[name])
        chosen = get_stattest(r, c, kind, None)
        result = chosen(r.copy(), c.copy(), kind, None)
        out["default"][name] = [chosen.display_name, float(result.drift_score), bool(result.drifted)]
        methods = NUMERIC if kind == ColumnType.Numerical else CATEGORICAL
        scores = {method: get_registered_stattest(method, kind)(r.copy(), c.copy(), kind, None) for method in methods}
        out["methods"][name] = {method: float(score.drift_score) for method, score in scores.items()}
    return out


def report(reference: pd.DataFrame, current: pd.DataFrame) -> dict:
    """What a user of Evidently's own reports sees."""
    metrics = [DriftedColumnsCount(), *(ValueDrift(column=name) for name in current.columns)]
    snapshot = Report(metrics).run(Dataset.from_pandas(current), Dataset.from_pandas(reference))
    count, *values = [metric["value"] for metric in json.loads(snapshot.json())["metrics"]]
    return {"drifted": [count["count"], count["share"]], "scores": dict(zip(current.columns, values, strict=True))}


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    out = {}
    for name, with_report in json.loads((folder / "cases.json").read_text()).items():
        reference = pd.read_csv(folder / f"{name}.reference.csv")
        current = pd.read_csv(folder / f"{name}.current.csv")
        out[name] = measure(reference, current)
        if with_report:
            out[name]["report"] = report(reference, current)
    (folder / "scores.json").write_text(json.dumps(out))


if __name__ == "__main__":
    main()
