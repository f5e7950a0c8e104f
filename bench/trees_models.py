# SPDX-License-Identifier: Apache-2.0
"""The models of bench/run_trees: boosted trees of 30 features as ONNX, written into the folder that is given."""

import sys
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingRegressor

FEATURES = 30
ROWS = 4000


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    wanted = rows @ rng.normal(size=FEATURES) + np.sin(rows[:, 0] * rows[:, 1]) + rng.normal(size=ROWS)
    for trees, depth in ((100, 3), (100, 6), (100, 8), (500, 6)):
        path = folder / f"trees{trees}_depth{depth}.onnx"
        if path.exists():
            continue
        model = GradientBoostingRegressor(n_estimators=trees, max_depth=depth, max_features=6, random_state=0)
        model.fit(rows, wanted)
        path.write_bytes(to_onnx(model, rows[:1]).SerializeToString())


main()
