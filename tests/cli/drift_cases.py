# SPDX-License-Identifier: Apache-2.0
"""Tables for the tests of `slipway drift`: a reference and a current side each, generated."""

from __future__ import annotations

import numpy as np
import pandas as pd

Tables = tuple[pd.DataFrame, pd.DataFrame]


def _numbers(rng: np.random.Generator, rows: int, shift: float) -> pd.DataFrame:
    skewed = rng.gamma(2.0, 3.0, rows) * (1 + shift)
    holes = rng.normal(shift, 1, rows)
    holes[rng.random(rows) < 0.1] = np.nan
    infinite = rng.normal(5, 2 + shift, rows)
    infinite[rng.random(rows) < 0.02] = np.inf
    infinite[rng.random(rows) < 0.02] = -np.inf
    outlier = rng.normal(shift, 1, rows)
    outlier[0] = 1e6 if shift else 1.0
    return pd.DataFrame(
        {
            "normal": rng.normal(shift, 1, rows),
            "skewed": skewed,
            "ties": np.round(rng.normal(shift, 2, rows) * 2) / 2 + 0.25,
            "constant": np.full(rows, 3.5),
            "two_values": (rng.random(rows) < 0.3 + shift / 4).astype(float) + 0.5,
            "four_values": rng.choice([0.5, 1.5, 2.5, 3.5], rows, p=[0.4, 0.3, 0.2 - shift / 10, 0.1 + shift / 10]),
            "holes": holes,
            "infinite": infinite,
            "outlier": outlier,
            "large": 1e12 + rng.normal(0, 1e6, rows) + shift * 1e5,
            "tiny": rng.normal(shift, 1, rows) * 1e-9,
            "whole": rng.poisson(40 + 5 * shift, rows),
            "uniform": rng.random(rows) * (1 + shift),
        }
    )


def _categories(rng: np.random.Generator, rows: int, shift: float) -> pd.DataFrame:
    zipf = 1 / np.arange(1, 30)
    words = np.array([f"w{i}" for i in range(29)])
    few = rng.choice(["EWR", "JFK", "LGA"], rows, p=[0.5, 0.3 - shift / 10, 0.2 + shift / 10])
    unseen = rng.choice(["a", "b"], rows).astype(object)
    if shift:
        unseen[: max(1, rows // 20)] = "new"
    with_holes = rng.choice(["x", "y", "z"], rows).astype(object)
    with_holes[rng.random(rows) < 0.15] = None
    return pd.DataFrame(
        {
            "few": few,
            "many": rng.choice(words, rows, p=zipf / zipf.sum()),
            "unseen": unseen,
            "with_holes": with_holes,
            "digits": rng.integers(0, 5, rows),
            "bit": rng.integers(0, 2, rows),
            "same": np.full(rows, "only"),
        }
    )


def case(seed: int, reference_rows: int, rows: int, shift: float) -> Tables:
    rng = np.random.default_rng(seed)
    sides = []
    for count, moved in ((reference_rows, 0.0), (rows, shift)):
        sides.append(pd.concat([_numbers(rng, count, moved), _categories(rng, count, moved)], axis=1))
    return sides[0], sides[1]


CASES = {
    "small_same": (1, 200, 150, 0.0),
    "small_moved": (2, 300, 300, 0.5),
    "small_equal_sizes": (3, 250, 250, 0.2),
    "edge_of_the_rule": (4, 1000, 400, 0.3),
    "past_the_rule": (5, 1001, 900, 0.3),
    "tiny": (6, 30, 25, 1.0),
    "large": (7, 12_000, 9_000, 0.05),
    "large_moved": (8, 10_001, 3_000, 0.4),
    "power_of_two": (9, 2048, 2048, 0.1),
}
