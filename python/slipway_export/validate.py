# SPDX-License-Identifier: Apache-2.0
"""Whether the export answers as its source does: on the golden set and on rows of every kind of edge."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnxruntime

from slipway_export import edges
from slipway_export.sources import Source
from slipway_export.tables import Arrays, ExportError, rows_of, take

WORST_ROWS = 5


@dataclasses.dataclass
class Tolerance:
    absolute: float
    relative: float


def _exported_inputs(session: onnxruntime.InferenceSession, source: Source, arrays: Arrays) -> Arrays:
    wanted = session.get_inputs()
    if len(wanted) != len(source.inputs):
        raise ExportError(f"the export takes {len(wanted)} inputs, its source {len(source.inputs)}")
    by_name = {w.name for w in wanted} == {w.name for w in source.inputs}
    pairs = [(w.name, w.name if by_name else s.name) for w, s in zip(wanted, source.inputs, strict=True)]
    return {name: arrays[given] for name, given in pairs}


def _pair(expected: Arrays, actual: Arrays) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Outputs of the source beside the export's: by name, else in order."""
    names = list(actual)
    pairs = []
    for place, (name, value) in enumerate(expected.items()):
        if name in actual:
            pairs.append((name, value, actual[name]))
        elif len(expected) <= len(names):
            # Boosters give one output; their exports a label before it.
            index = place if len(expected) == len(names) else len(names) - len(expected) + place
            pairs.append((names[index], value, actual[names[index]]))
        else:
            raise ExportError(f"the export has no output for '{name}'; it gives {', '.join(names)}")
    return pairs


def _fit_shape(name: str, expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    if expected.size == actual.size:
        return actual.reshape(expected.shape)
    # A binary booster gives P(1), its export both probabilities.
    if expected.ndim == 1 and actual.ndim == 2 and actual.shape == (len(expected), 2):
        return actual[:, 1]
    raise ExportError(f"output '{name}' has shape {list(actual.shape)}, its source {list(expected.shape)}")


def _different(expected: np.ndarray, actual: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    if expected.dtype.kind in "OUSb" or actual.dtype.kind in "OUSb":
        return expected.astype(str) != actual.astype(str)
    if expected.dtype.kind in "iu" and actual.dtype.kind in "iu":
        return expected != actual
    wide, other = expected.astype(np.float64), actual.astype(np.float64)
    return ~np.isclose(other, wide, rtol=tolerance.relative, atol=tolerance.absolute, equal_nan=True)


def _compare(name: str, expected: np.ndarray, actual: np.ndarray, tolerance: Tolerance) -> dict:
    actual = _fit_shape(name, expected, actual)
    different = _different(expected, actual, tolerance)
    rows = np.flatnonzero(different.reshape(len(different), -1).any(axis=1)) if different.size else np.array([], int)
    most = 0.0
    if expected.dtype.kind not in "OUSb" and actual.dtype.kind not in "OUSb" and expected.size:
        gap = np.abs(expected.astype(np.float64) - actual.astype(np.float64))
        most = float(np.nan_to_num(gap[np.isfinite(gap)], nan=0.0).max(initial=0.0))
    worst = [
        {"row": int(row), "expected": expected[row].tolist(), "actual": actual[row].tolist()}
        for row in rows[:WORST_ROWS]
    ]
    return {
        "output": name,
        "equal": not len(rows),
        "rows_different": len(rows),
        "max_absolute_difference": most,
        "worst_rows": worst,
    }


def _rows_that_source_takes(source: Source, arrays: Arrays) -> tuple[list[int], str]:
    """When a source refuses a batch (scikit-learn refuses NaN, say): the rows that it takes alone."""
    taken, why = [], ""
    for row in range(rows_of(arrays)):
        try:
            source.predict(take(arrays, slice(row, row + 1)))
            taken.append(row)
        except Exception as error:  # noqa: BLE001 - whatever a model raises is a refusal
            why = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return taken, why


def _check(session, source: Source, kind: str, arrays: Arrays, tolerance: Tolerance) -> dict:
    result = {"kind": kind, "rows": rows_of(arrays), "refused_by_source": 0}
    try:
        expected = source.predict(arrays)
    except Exception as error:
        taken, why = _rows_that_source_takes(source, arrays)
        # Ordinary rows prove the export: a source that takes none of them proves nothing.
        if kind in ("golden", "random") and not taken:
            raise ExportError(f"the source takes none of the {kind} rows: {why}") from error
        result |= {"refused_by_source": rows_of(arrays) - len(taken), "source_says": why or str(error)[:200]}
        if not taken:
            return result | {"equal": True, "outputs": []}
        arrays = take(arrays, taken)
        expected = source.predict(arrays)
    try:
        answers = session.run(None, _exported_inputs(session, source, arrays))
    except ExportError:
        raise
    except Exception as error:  # noqa: BLE001 - what the runtime raises says why
        return result | {"equal": False, "outputs": [], "export_says": str(error).splitlines()[0][:300]}
    actual = dict(zip([output.name for output in session.get_outputs()], answers, strict=True))
    outputs = [_compare(name, np.asarray(e), np.asarray(a), tolerance) for name, e, a in _pair(expected, actual)]
    return result | {"equal": all(output["equal"] for output in outputs), "outputs": outputs}


def validate(
    path: str, source: Source, golden: Arrays | None, rows: int, seed: int, tolerance: Tolerance, skipped: set[str]
) -> list[dict]:
    """A result for the golden set and for each kind of edge that the inputs can hold."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    results = []
    if golden is not None:
        results.append(_check(session, source, "golden", golden, tolerance))
    for kind in edges.KINDS:
        arrays = edges.make(kind, source.inputs, golden, rows, seed)
        if arrays is None:
            continue
        result = _check(session, source, kind, arrays, tolerance)
        results.append(result | {"waived": kind in skipped and not result["equal"]})
    return results
