# SPDX-License-Identifier: Apache-2.0
"""Opens the model to export and says how it answers: arrays by name in, arrays by name out."""

from __future__ import annotations

import dataclasses
import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from slipway_export.tables import Arrays, ExportError, Input, is_text

FLAVORS = ("sklearn", "xgboost", "lightgbm", "pytorch", "tensorflow")


@dataclasses.dataclass
class Source:
    flavor: str
    model: Any
    inputs: list[Input]
    predict: Callable[[Arrays], Arrays]
    path: str


def _mlmodel(path: pathlib.Path) -> dict:
    import yaml

    file = path / "MLmodel"
    return yaml.safe_load(file.read_text()) if file.exists() else {}


def guess(path: pathlib.Path) -> str:
    """The flavor of a model by what lies there."""
    flavors = _mlmodel(path).get("flavors", {}) if path.is_dir() else {}
    for flavor in ("sklearn", "xgboost", "lightgbm", "pytorch", "tensorflow"):
        if flavor in flavors:
            return flavor
    if "keras" in flavors or (path / "saved_model.pb").exists() or path.suffix in (".keras", ".h5"):
        return "tensorflow"
    by_ending = {".pkl": "sklearn", ".joblib": "sklearn", ".pickle": "sklearn", ".ubj": "xgboost", ".xgb": "xgboost"}
    by_ending |= {".json": "xgboost", ".txt": "lightgbm", ".lgb": "lightgbm", ".pt": "pytorch", ".pth": "pytorch"}
    by_ending |= {".pt2": "pytorch"}
    if path.suffix in by_ending:
        return by_ending[path.suffix]
    raise ExportError(f"model: what '{path}' is cannot be told; say --flavor {'|'.join(FLAVORS)}")


def _signature_columns(path: pathlib.Path) -> list[tuple[str, str]]:
    """(name, MLflow's type) of the columns that the model's signature names."""
    import json

    text = (_mlmodel(path).get("signature") or {}).get("inputs") if path.is_dir() else None
    columns = json.loads(text) if text else []
    return [(c["name"], c["type"]) for c in columns if "name" in c and c.get("type") != "tensor"]


TYPES = {"string": np.dtype(object), "boolean": np.dtype(bool), "integer": np.dtype(np.int32)}
TYPES |= {"long": np.dtype(np.int64), "float": np.dtype(np.float32), "double": np.dtype(np.float32)}


def _known_columns(names: list[str], path: pathlib.Path, golden: Arrays | None) -> list[tuple[str, str]]:
    """What the signature says of the columns, else what the golden set shows of those that the model was fitted on."""
    columns = _signature_columns(path)
    if not columns and names and golden and all(name in golden for name in names):
        columns = [(name, "string" if is_text(golden[name].dtype) else "double") for name in names]
    return columns


def _width(model, columns: list, golden: Arrays | None) -> int:
    width = len(columns) or getattr(model, "n_features_in_", None)
    if width is None and golden and len(golden) == 1:
        width = next(iter(golden.values())).shape[1]
    if width is None:
        raise ExportError("model: how many features it takes is not known; give --golden, or log it with a signature")
    return int(width)


def _table_inputs(model, path: pathlib.Path, golden: Arrays | None) -> list[Input]:
    """One matrix when every column is a number, else an input for each column."""
    names = [str(name) for name in getattr(model, "feature_names_in_", [])]
    columns = _known_columns(names, path, golden)
    if any(kind in ("string", "boolean") for _, kind in columns):
        return [Input(name, TYPES.get(kind, np.dtype(np.float32)), (1,)) for name, kind in columns]
    shape = (_width(model, columns, golden),)
    return [Input("input", np.dtype(np.float32), shape, [name for name, _ in columns] or names or None)]


def _frame(arrays: Arrays, inputs: list[Input]):
    """What the source takes: a matrix, or a data frame where it was fitted on one."""
    import pandas

    if len(inputs) == 1 and inputs[0].columns is None:
        return arrays[inputs[0].name]
    if len(inputs) == 1:
        return pandas.DataFrame(arrays[inputs[0].name], columns=inputs[0].columns)
    return pandas.DataFrame({wanted.name: arrays[wanted.name][:, 0] for wanted in inputs})


def _estimator_answers(model, inputs: list[Input]) -> Callable[[Arrays], Arrays]:
    def predict(arrays: Arrays) -> Arrays:
        table = _frame(arrays, inputs)
        if hasattr(model, "predict_proba"):
            labels = np.asarray(model.predict(table))
            return {"label": labels, "probabilities": np.asarray(model.predict_proba(table), np.float32)}
        return {"variable": np.asarray(model.predict(table), np.float32).reshape(len(table), -1)}

    return predict


def _pickled(path: pathlib.Path):
    if path.is_dir():
        data = _mlmodel(path)["flavors"]["sklearn"].get("pickled_model", "model.pkl")
        path = path / data
    try:
        import joblib

        return joblib.load(path)
    except (pickle.UnpicklingError, KeyError, EOFError, ValueError) as error:
        raise ExportError(f"model: '{path}' is no pickled estimator: {error}") from error


def open_sklearn(path: pathlib.Path, golden: Arrays | None) -> Source:
    model = _pickled(path)
    inputs = _table_inputs(model, path, golden)
    return Source("sklearn", model, inputs, _estimator_answers(model, inputs), str(path))


def _file_in(path: pathlib.Path, flavor: str, *names: str) -> pathlib.Path:
    if not path.is_dir():
        return path
    data = (_mlmodel(path).get("flavors", {}).get(flavor) or {}).get("data")
    for name in [data, *names]:
        if name and (path / name).exists():
            return path / name
    raise ExportError(f"model: '{path}' has no file of a {flavor} model")


def open_xgboost(path: pathlib.Path, golden: Arrays | None) -> Source:
    import xgboost

    booster = xgboost.Booster(model_file=str(_file_in(path, "xgboost", "model.ubj", "model.json", "model.xgb")))
    names = booster.feature_names
    inputs = [Input("input", np.dtype(np.float32), (booster.num_features(),), names)]

    def predict(arrays: Arrays) -> Arrays:
        matrix = xgboost.DMatrix(arrays["input"], feature_names=names, missing=np.nan)
        return {"predictions": booster.predict(matrix)}

    return Source("xgboost", booster, inputs, predict, str(path))


def open_lightgbm(path: pathlib.Path, golden: Arrays | None) -> Source:
    import lightgbm

    booster = lightgbm.Booster(model_file=str(_file_in(path, "lightgbm", "model.lgb", "model.txt")))
    inputs = [Input("input", np.dtype(np.float32), (booster.num_feature(),), booster.feature_name())]

    def predict(arrays: Arrays) -> Arrays:
        return {"predictions": np.asarray(booster.predict(arrays["input"]))}

    return Source("lightgbm", booster, inputs, predict, str(path))


def _tensor_inputs(golden: Arrays | None, shapes: list[str]) -> list[Input]:
    """Of `--input name=FP32[4,3]` arguments, else of the golden set's arrays that are called inputs.*."""
    kinds = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "INT32": np.int32, "BOOL": np.bool_}
    inputs = []
    for text in shapes:
        name, _, rest = text.partition("=")
        kind, _, sizes = rest.rstrip("]").partition("[")
        if kind not in kinds or not name:
            raise ExportError(f"--input: expected NAME=TYPE[SIZES], for example x=FP32[4], got '{text}'")
        inputs.append(Input(name, np.dtype(kinds[kind]), tuple(int(size) for size in sizes.split(",") if size)))
    if not inputs and golden:
        inputs = [
            Input(name.removeprefix("inputs."), array.dtype, array.shape[1:])
            for name, array in golden.items()
            if name.startswith("inputs.")
        ]
    if not inputs:
        raise ExportError("--input: say what the model takes, --input x=FP32[4], or give --golden with inputs.x")
    return inputs


def _named_outputs(answer) -> Arrays:
    if isinstance(answer, dict):
        return {name: np.asarray(value) for name, value in answer.items()}
    values = answer if isinstance(answer, (tuple, list)) else [answer]
    return {f"output_{i}" if len(values) > 1 else "output": np.asarray(v) for i, v in enumerate(values)}


def open_pytorch(path: pathlib.Path, golden: Arrays | None, shapes: list[str]) -> Source:
    import torch

    if path.is_dir():
        import mlflow.pytorch

        model = mlflow.pytorch.load_model(str(path), map_location="cpu")
    elif path.suffix == ".pt2":
        model = torch.export.load(str(path)).module()
    else:
        try:
            model = torch.jit.load(str(path), map_location="cpu")
        except RuntimeError:
            model = torch.load(str(path), map_location="cpu", weights_only=False)
    if path.suffix != ".pt2":
        model = model.eval()
    inputs = _tensor_inputs(golden, shapes)

    def predict(arrays: Arrays) -> Arrays:
        with torch.no_grad():
            answer = model(*[torch.from_numpy(np.ascontiguousarray(arrays[wanted.name])) for wanted in inputs])
        if isinstance(answer, dict):
            return _named_outputs({name: value.detach().numpy() for name, value in answer.items()})
        values = answer if isinstance(answer, (tuple, list)) else [answer]
        return _named_outputs([value.detach().numpy() for value in values])

    return Source("pytorch", model, inputs, predict, str(path))


def _saved_model(path: pathlib.Path) -> pathlib.Path | None:
    found = [path, *sorted(path.glob("**/saved_model.pb"))] if path.is_dir() else []
    for place in found:
        folder = place if place.is_dir() else place.parent
        if (folder / "saved_model.pb").exists():
            return folder
    return None


def open_tensorflow(path: pathlib.Path, golden: Arrays | None) -> Source:
    import tensorflow as tf

    folder = _saved_model(path)
    if folder is not None:
        loaded = tf.saved_model.load(str(folder))
        if "serving_default" not in loaded.signatures:
            raise ExportError("model: the SavedModel has no signature serving_default")
        call = loaded.signatures["serving_default"]
        specs = call.structured_input_signature[1]
        inputs = [
            Input(name, np.dtype(spec.dtype.as_numpy_dtype), tuple(spec.shape[1:]))
            for name, spec in sorted(specs.items())
        ]
        model = (loaded, call)

        def answer(arrays: Arrays) -> Arrays:
            return _named_outputs(
                {k: v.numpy() for k, v in call(**{n: tf.constant(a) for n, a in arrays.items()}).items()}
            )

        return Source("tensorflow", model, inputs, answer, str(folder))
    keras_file = next((p for p in [path, *path.glob("**/*.keras")] if p.suffix in (".keras", ".h5")), None)
    if keras_file is None:
        raise ExportError(f"model: '{path}' has neither a SavedModel nor a .keras file")
    model = tf.keras.models.load_model(keras_file)
    inputs = [Input(t.name.split(":")[0], np.dtype(t.dtype), tuple(t.shape[1:])) for t in model.inputs]

    def predict(arrays: Arrays) -> Arrays:
        values = [tf.constant(arrays[wanted.name]) for wanted in inputs]
        return _named_outputs(model(values[0] if len(values) == 1 else values, training=False).numpy())

    return Source("tensorflow", model, inputs, predict, str(keras_file))


def open_source(path: pathlib.Path, flavor: str | None, golden: Arrays | None, shapes: list[str]) -> Source:
    if not path.exists():
        raise ExportError(f"model: there is no '{path}'")
    flavor = flavor or guess(path)
    if flavor == "pytorch":
        return open_pytorch(path, golden, shapes)
    open_table = {"sklearn": open_sklearn, "xgboost": open_xgboost, "lightgbm": open_lightgbm}
    opener = {**open_table, "tensorflow": open_tensorflow}.get(flavor)
    if opener is None:
        raise ExportError(f"--flavor: expected {'|'.join(FLAVORS)}, got '{flavor}'")
    return opener(path, golden)
