# SPDX-License-Identifier: Apache-2.0
"""Inputs that break exports: random rows around what is known, and in each kind of edge some cells replaced."""

from __future__ import annotations

import numpy as np

from slipway_export.tables import Arrays, Input, is_text, rows_of

KINDS = ("random", "nan", "infinity", "extremes", "zeros", "unseen", "one_row", "empty")
SHARE = 0.2  # of the cells that a kind replaces


def _random_column(wanted: Input, known: np.ndarray | None, rows: int, random: np.random.Generator) -> np.ndarray:
    shape = (rows, *wanted.shape)
    if known is not None and len(known):
        drawn = known[random.integers(0, len(known), rows)]
        if is_text(wanted.dtype) or not np.issubdtype(wanted.dtype, np.floating):
            return drawn.copy()
        spread = np.nan_to_num(np.nanstd(known.astype(np.float64), axis=0), nan=1.0)
        return (drawn + random.normal(size=shape) * spread).astype(wanted.dtype)
    if is_text(wanted.dtype):
        return random.choice(np.array(["a", "b", "c"], object), shape)
    if wanted.dtype == np.bool_:
        return random.integers(0, 2, shape).astype(np.bool_)
    if np.issubdtype(wanted.dtype, np.integer):
        return random.integers(0, 10, shape).astype(wanted.dtype)
    return random.normal(size=shape).astype(wanted.dtype)


def _replace(array: np.ndarray, values: list, random: np.random.Generator) -> None:
    chosen = random.random(array.shape) < SHARE
    array[chosen] = random.choice(np.array(values, array.dtype), int(chosen.sum()))


def _values(kind: str, dtype: np.dtype) -> list:
    if is_text(dtype):
        return ["", "never seen before", "\u00fc\u4e16\U0001f600"] if kind == "unseen" else []
    if np.issubdtype(dtype, np.floating):
        limits = np.finfo(dtype)
        return {
            "nan": [np.nan],
            "infinity": [np.inf, -np.inf],
            "extremes": [1e10, -1e10, 1e-30, -1e-30, limits.smallest_subnormal],
            "zeros": [0.0, -0.0],
            "unseen": [-7.0, 1e6],
        }.get(kind, [])
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return {"extremes": [limits.min, limits.max], "zeros": [0], "unseen": [limits.max // 2]}.get(kind, [])
    return []


def make(kind: str, inputs: list[Input], known: Arrays | None, rows: int, seed: int) -> Arrays | None:
    """Rows of one kind, the same for the same seed; None when no input can hold that kind."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    count = {"one_row": 1, "empty": 0}.get(kind, rows)
    arrays = {w.name: _random_column(w, known[w.name] if known else None, count, random) for w in inputs}
    if kind in ("random", "one_row", "empty"):
        return arrays
    touched = False
    for wanted in inputs:
        values = _values(kind, wanted.dtype)
        if values:
            array = arrays[wanted.name]
            arrays[wanted.name] = array if array.flags.writeable else array.copy()
            _replace(arrays[wanted.name], values, random)
            touched = True
    return arrays if touched and rows_of(arrays) else None
