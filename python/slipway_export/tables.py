# SPDX-License-Identifier: Apache-2.0
"""Inputs and outputs as arrays by name, and what is known of a model's inputs."""

from __future__ import annotations

import dataclasses

import numpy as np

Arrays = dict[str, np.ndarray]


class ExportError(Exception):
    """What a person can mend: the message names the argument or the model's part at fault."""


@dataclasses.dataclass
class Input:
    """One input of the exported model: [rows, *shape]."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    # Of a matrix: the names of its columns, when the source knows them.
    columns: list[str] | None = None


def is_text(dtype: np.dtype) -> bool:
    return dtype.kind in "OUS"


def rows_of(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def take(arrays: Arrays, rows) -> Arrays:
    return {name: array[rows] for name, array in arrays.items()}


def as_inputs(arrays: Arrays, inputs: list[Input]) -> Arrays:
    """The arrays of a golden set as the inputs want them; names every one that is missing or has another shape."""
    given = {name.removeprefix("inputs."): array for name, array in arrays.items()}
    fitted = {}
    for wanted in inputs:
        if wanted.name not in given:
            raise ExportError(f"--golden: no array for input '{wanted.name}'; it has {', '.join(sorted(given))}")
        array = given[wanted.name]
        if array.shape[1:] != wanted.shape:
            raise ExportError(
                f"--golden: '{wanted.name}' has rows of shape {list(array.shape[1:])}, expected {list(wanted.shape)}"
            )
        fitted[wanted.name] = array.astype(object) if is_text(wanted.dtype) else array.astype(wanted.dtype)
    return fitted
