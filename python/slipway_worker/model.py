# SPDX-License-Identifier: Apache-2.0
"""What the worker needs of a model, whatever its style."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from slipway_worker.wire import BYTES, CODE_OF, DTYPES, TYPE_NAMES, Failure


def bad_model(message: str) -> Failure:
    return Failure("INVALID_ARGUMENT", "bad_model", message)


class Call:
    """What came with the tensors."""

    def __init__(self, rest: dict):
        self.parameters: dict = rest.get("parameters", {})
        self.outputs: list[str] = rest.get("outputs", [])
        self.sequence: dict = rest.get("sequence", {})


class Model:
    platform = "python"
    text = True  # strings come as str where they are UTF-8; False: as bytes
    open = False  # does not say what it takes: anything is handed to it
    batchable: bool | None = None  # None: when every input's first dimension is free
    decoupled = False

    def __init__(self) -> None:
        self.inputs: list[dict] = []
        self.outputs: list[dict] = []

    def run(self, inputs: dict[str, np.ndarray], call: Call) -> dict[str, np.ndarray]:
        raise NotImplementedError

    def stream(self, inputs: dict[str, np.ndarray], call: Call) -> Iterator[dict[str, np.ndarray]]:
        yield self.run(inputs, call)

    def example(self) -> dict[str, np.ndarray] | None:
        """Inputs that the author recorded."""
        return None

    def close(self) -> None:
        pass

    def description(self) -> dict:
        batchable = self.batchable
        if batchable is None:
            batchable = bool(self.inputs) and all(_free_rows(spec) for spec in self.inputs + self.outputs)
        return {
            "inputs": self.inputs,
            "outputs": self.outputs,
            "batchable": batchable,
            "open": self.open,
            "decoupled": self.decoupled,
            "platform": self.platform,
        }


def _free_rows(tensor: dict) -> bool:
    return bool(tensor.get("any_rank")) or (bool(tensor["shape"]) and tensor["shape"][0] == -1)


def spec(name: str, datatype: str, shape: list[int] | None, columns: list[str] | None = None) -> dict:
    made = {"name": name, "datatype": datatype, "shape": list(shape or [])}
    if shape is None:
        made["any_rank"] = True
    if columns:
        made["columns"] = columns
    return made


def type_name(dtype) -> str:
    dtype = np.dtype(dtype)
    if dtype.kind in "OUSmM":
        return "BYTES"
    if dtype.newbyteorder("<") not in CODE_OF and dtype not in CODE_OF:
        raise bad_model(f"tensors of type {dtype} are not supported")
    return TYPE_NAMES[CODE_OF.get(dtype, CODE_OF.get(dtype.newbyteorder("<")))]


TORCH_NAMES = {
    "float16": "FP16", "bfloat16": "BF16", "float32": "FP32", "float64": "FP64", "bool": "BOOL",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64", "uint8": "UINT8",
}  # fmt: skip


def parsed_type(name) -> str:
    """A type as its author may write it: "FP32", "TYPE_FP32", "float32", numpy.float32."""
    if not isinstance(name, str):
        return type_name(name)
    known = name.upper().removeprefix("TYPE_")
    known = {"STRING": "BYTES", "STR": "BYTES"}.get(known, known)
    if known in TYPE_NAMES:
        return known
    if name in TORCH_NAMES:
        return TORCH_NAMES[name]
    try:
        return type_name(name)
    except TypeError:
        raise bad_model(f"'{name}' is no type; known are {', '.join(TYPE_NAMES)}") from None


def parsed_specs(declared, where: str) -> list[dict]:
    """`{"x": ("FP32", [-1, 30])}`, `{"x": "FP32 [-1, 30]"}` or a list of `{"name", "datatype", "shape"}`."""
    if isinstance(declared, dict):
        return [_parsed(name, value, where) for name, value in declared.items()]
    if isinstance(declared, (list, tuple)) and all(isinstance(one, dict) and "name" in one for one in declared):
        return [
            spec(
                one["name"],
                parsed_type(one.get("datatype", one.get("data_type", "FP32"))),
                one.get("shape", one.get("dims")),
                one.get("columns"),
            )
            for one in declared
        ]
    raise bad_model(f'{where} is {{"name": ("FP32", [-1, 4])}} or a list of {{"name", "datatype", "shape"}}')


def _parsed(name: str, value, where: str) -> dict:
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\w+)\s*(\[[-\d,\s]*\])?\s*", value)
        if match is None:
            raise bad_model(f'{where}["{name}"] is "{value}"; expected a type and a shape such as "FP32 [-1, 4]"')
        shape = [int(part) for part in match[2][1:-1].split(",") if part.strip()] if match[2] else None
        return spec(name, parsed_type(match[1]), shape)
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return spec(name, parsed_type(value[0]), value[1])
    return spec(name, parsed_type(value), None)


def zeros(inputs: list[dict], rows: int = 1) -> dict[str, np.ndarray]:
    made = {}
    for one in inputs:
        shape = [(rows if i == 0 else 1) if size < 0 else size for i, size in enumerate(one["shape"])]
        code = TYPE_NAMES.index(one["datatype"])
        made[one["name"]] = np.full(shape, "", dtype=object) if code == BYTES else np.zeros(shape, DTYPES[code])
    return made


def named(answer, outputs: list[dict]) -> dict[str, np.ndarray]:
    """Whatever a model gives, by name: a mapping, a table, several arrays, one."""
    if isinstance(answer, dict):
        return {str(name): plain(value) for name, value in answer.items()}
    if hasattr(answer, "columns") and hasattr(answer, "iloc"):  # a pandas.DataFrame
        return {str(name): answer.iloc[:, i].to_numpy() for i, name in enumerate(answer.columns)}
    if isinstance(answer, tuple):
        if outputs and len(outputs) != len(answer):
            raise Failure("INTERNAL", "model_raised", f"{len(answer)} outputs, but {len(outputs)} are declared")
        names = [one["name"] for one in outputs] or [f"output_{i}" for i in range(len(answer))]
        return {name: plain(value) for name, value in zip(names, answer, strict=True)}
    return {outputs[0]["name"] if outputs else "output": plain(answer)}


def plain(value) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach"):  # torch
        value = value.detach().cpu()
        return value.float().numpy() if str(value.dtype) == "torch.bfloat16" else value.numpy()
    if hasattr(value, "to_numpy"):  # pandas.Series, polars
        return value.to_numpy()
    if hasattr(value, "toarray"):  # scipy.sparse
        return value.toarray()
    if value is None:
        raise Failure("INTERNAL", "model_raised", "the model gave None instead of an answer")
    if isinstance(value, list) and value and isinstance(value[0], (str, bytes, dict)):
        made = np.empty(len(value), dtype=object)
        made[:] = value
        return made
    try:
        return np.asarray(value)
    except ValueError:  # rows of different length
        made = np.empty(len(value), dtype=object)
        made[:] = list(value)
        return made


def observed_specs(few: dict[str, np.ndarray], more: dict[str, np.ndarray] | None) -> list[dict]:
    """Outputs as two runs showed them: what differed between one row and two is free."""
    found = []
    for name, value in few.items():
        array = plain(value)
        shape = list(array.shape)
        other = plain(more[name]).shape if more and name in more else array.shape
        if len(other) == len(shape):
            shape = [size if size == size_too else -1 for size, size_too in zip(shape, other, strict=True)]
        if more is None and shape:
            shape[0] = -1
        kind = array.dtype.kind
        found.append(spec(str(name), "BYTES" if kind in "OUSmM" else type_name(array.dtype), shape))
    return found
