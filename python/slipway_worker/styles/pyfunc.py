# SPDX-License-Identifier: Apache-2.0
"""MLflow's python_function: every flavour, through `mlflow.pyfunc.load_model`."""

from __future__ import annotations

import inspect
import json
import logging
import pathlib

import numpy as np

from slipway_worker.model import Call, Model, bad_model, named, spec, type_name
from slipway_worker.wire import Failure

COLUMN_TYPES = {
    "boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64",
}  # fmt: skip


def load(path: pathlib.Path, source: dict) -> PyFunc:
    folder = path if path.is_dir() else path.parent
    try:
        import mlflow.pyfunc
    except ImportError:
        raise bad_model(
            "the model is MLflow's and the environment has no mlflow: its requirements.txt should name it"
        ) from None
    return PyFunc(mlflow.pyfunc.load_model(str(folder)), folder)


class PyFunc(Model):
    platform = "mlflow_pyfunc"

    def __init__(self, model, folder: pathlib.Path):
        super().__init__()
        import pandas

        self.pandas = pandas
        self.model, self.folder = model, folder
        self.columns: list = []  # of a table that comes as one tensor
        self.parsers: dict = {}  # column -> what makes its values of the strings that come
        self.unnamed = False  # the one tensor has no name of its own
        self.frame = False
        meta = model.metadata
        schema = meta.get_input_schema()
        if schema is None:
            self.open = True
        elif schema.is_tensor_spec():
            self._describe_tensors(schema)
        else:
            self._describe_columns(schema)
        output = meta.get_output_schema()
        self.outputs = self._output_specs(output) if output is not None else []
        self.direct = self._direct_call(meta, schema)

    def _describe_tensors(self, schema) -> None:
        self.unnamed = not schema.has_input_names()
        for one in schema.inputs:
            self.inputs.append(spec(one.name or "input", type_name(one.type), list(one.shape)))

    def _describe_columns(self, schema) -> None:
        self.frame = True
        types = [COLUMN_TYPES.get(getattr(one.type, "name", "")) for one in schema.inputs]
        names = schema.input_names() if schema.has_input_names() else list(range(len(types)))
        required = all(getattr(one, "required", True) for one in schema.inputs)
        if required and types and types[0] is not None and len(set(types)) == 1:
            self.columns = self.pandas.Index(names)
            shown = [str(name) for name in names] if schema.has_input_names() else None
            self.inputs = [spec("input", types[0], [-1, len(types)], shown)]
            return
        for name, kind, one in zip(names, types, schema.inputs, strict=True):
            self.inputs.append(spec(str(name), kind or "BYTES", [-1, 1]))
            if kind is None:
                self.parsers[str(name)] = self._parser(one)

    def _parser(self, column):
        kind = getattr(column.type, "name", "")
        if kind == "string":
            return lambda values: values
        if kind == "binary":
            return lambda values: [value if isinstance(value, bytes) else value.encode() for value in values]
        if kind == "datetime":
            return lambda values: self.pandas.to_datetime(values)
        return lambda values: [json.loads(value) if value else None for value in values]  # objects, arrays, maps

    @staticmethod
    def _output_specs(schema) -> list[dict]:
        made = []
        for i, one in enumerate(schema.inputs):
            name = one.name or ("output" if len(schema.inputs) == 1 else f"output_{i}")
            if schema.is_tensor_spec():
                made.append(spec(name, type_name(one.type), list(one.shape)))
            else:
                made.append(spec(name, COLUMN_TYPES.get(getattr(one.type, "name", ""), "BYTES"), None))
        return made

    def _direct_call(self, meta, schema):
        """MLflow's check of a table costs a hundred times the model. What it looks at - names, types, their order - the
        server has checked where the table came as one tensor: then the flavour's own function is called at once."""
        call = getattr(self.model, "_predict_fn", None)
        plain = schema is not None and call is not None and meta.get_params_schema() is None
        if not plain or getattr(meta, "_is_signature_from_type_hint", lambda: True)():
            return None
        if getattr(meta, "_is_type_hint_from_example", lambda: True)() or not (
            len(self.columns) or schema.is_tensor_spec()
        ):
            return None
        params = inspect.signature(call).parameters.get("params")
        if params is not None and params.kind != inspect.Parameter.VAR_KEYWORD:
            return lambda data: call(data, params=None)
        return call

    def _data(self, inputs: dict[str, np.ndarray]):
        if len(self.columns):
            return self.pandas.DataFrame(inputs["input"], columns=self.columns, copy=False)
        if self.frame:
            return self.pandas.DataFrame({name: self._column(name, array) for name, array in inputs.items()})
        if self.open:
            return self._undeclared(inputs)
        return next(iter(inputs.values())) if self.unnamed else dict(inputs)

    def _column(self, name: str, array: np.ndarray):
        flat = array.reshape(-1)
        parse = self.parsers.get(name)
        if parse is None:
            return flat
        try:
            return parse(flat.tolist())
        except (ValueError, TypeError) as error:
            raise Failure("INVALID_ARGUMENT", "wrong_data", f"input '{name}': {error}") from None

    def _undeclared(self, inputs: dict[str, np.ndarray]):
        """Without a signature: columns of a table by their names, or one array."""
        if len(inputs) == 1:
            only = next(iter(inputs.values()))
            if only.ndim > 1 and only.shape[1:] != (1,):
                return only
        if inputs and all(array.ndim == 1 or array.shape[1:] == (1,) for array in inputs.values()):
            return self.pandas.DataFrame({name: array.reshape(-1) for name, array in inputs.items()})
        return dict(inputs)

    def run(self, inputs, call: Call) -> dict:
        data = self._data(inputs)
        if self.direct is not None and not call.parameters:
            return named(self.direct(data), self.outputs)
        params = self._params(call)
        try:
            return named(self.model.predict(data, params=params), self.outputs)
        except Exception as error:
            if getattr(error, "error_code", "") in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
                raise Failure("INVALID_ARGUMENT", "wrong_data", str(error)) from None
            raise

    def _params(self, call: Call) -> dict | None:
        """Those that the signature knows; Open Inference Protocol's own say nothing to the model."""
        schema = self.model.metadata.get_params_schema()
        if not call.parameters or schema is None:
            return None
        known = {one.name for one in schema.params}
        return {name: value for name, value in call.parameters.items() if name in known}

    def example(self):
        """The recorded input example, as the caller's tensors would bring it."""
        try:
            recorded = self.model.metadata.load_input_example(str(self.folder))
        except Exception as error:  # noqa: BLE001 - of another version of MLflow, or its file is gone
            logging.getLogger("slipway").warning("the recorded input example cannot be read: %s", error)
            return None
        if recorded is None or self.open:
            return None
        if len(self.columns):
            return {"input": np.ascontiguousarray(recorded, dtype=self._table_dtype())}
        if not self.frame and self.unnamed and isinstance(recorded, np.ndarray):
            return {self.inputs[0]["name"]: recorded}
        return None

    def _table_dtype(self):
        from slipway_worker.wire import DTYPES, TYPE_NAMES

        return DTYPES[TYPE_NAMES.index(self.inputs[0]["datatype"])]
