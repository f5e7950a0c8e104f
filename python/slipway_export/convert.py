# SPDX-License-Identifier: Apache-2.0
"""From an opened model to ONNX, by the converter that its flavor has."""

from __future__ import annotations

import pathlib
import tempfile

import numpy as np
import onnx

from slipway_export.sources import Source
from slipway_export.tables import Input, is_text


def _onnx_types(inputs: list[Input], types) -> list:
    def kind(wanted: Input):
        if is_text(wanted.dtype):
            return types.StringTensorType
        if wanted.dtype == np.bool_:
            return types.BooleanTensorType
        return types.Int64TensorType if np.issubdtype(wanted.dtype, np.integer) else types.FloatTensorType

    return [(wanted.name, kind(wanted)([None, *wanted.shape])) for wanted in inputs]


def _sklearn(source: Source, opset: int) -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common import data_types

    classifier = hasattr(source.model, "predict_proba")
    options = {id(source.model): {"zipmap": False}} if classifier else None
    return convert_sklearn(
        source.model, initial_types=_onnx_types(source.inputs, data_types), options=options, target_opset=opset
    )


def _xgboost(source: Source, opset: int) -> onnx.ModelProto:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common import data_types

    booster = source.model
    names = booster.feature_names
    booster.feature_names = None  # the converter wants f0, f1 ...
    try:
        model = convert_xgboost(
            booster, initial_types=_onnx_types(source.inputs, data_types), target_opset=min(opset, 15)
        )
    finally:
        booster.feature_names = names
    return model


def _lightgbm(source: Source, opset: int) -> onnx.ModelProto:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common import data_types

    return convert_lightgbm(
        source.model, initial_types=_onnx_types(source.inputs, data_types), zipmap=False, target_opset=min(opset, 15)
    )


def _pytorch(source: Source, opset: int) -> onnx.ModelProto:
    import torch

    example = tuple(
        torch.zeros((2, *w.shape), dtype=getattr(torch, str(w.dtype).replace("bool_", "bool"))) for w in source.inputs
    )
    rows = torch.export.Dim("rows", min=0)
    dynamic = tuple({0: rows} for _ in source.inputs)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.onnx"
        scripted = isinstance(source.model, torch.jit.ScriptModule)
        names = [wanted.name for wanted in source.inputs]
        if scripted:
            axes = {name: {0: "rows"} for name in names}
            torch.onnx.export(
                source.model,
                example,
                str(path),
                input_names=names,
                dynamic_axes=axes,
                opset_version=opset,
                dynamo=False,
            )
        else:
            torch.onnx.export(
                source.model,
                example,
                str(path),
                input_names=names,
                dynamic_shapes=dynamic,
                opset_version=max(opset, 18),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        return onnx.load(path)


def _tensorflow(source: Source, opset: int) -> onnx.ModelProto:
    import tensorflow as tf
    import tf2onnx

    specs = [tf.TensorSpec((None, *w.shape), tf.as_dtype(w.dtype), name=w.name) for w in source.inputs]
    if isinstance(source.model, tuple):
        _, call = source.model

        def answer(*values):
            return call(**{w.name: value for w, value in zip(source.inputs, values, strict=True)})

    else:

        def answer(*values):
            return source.model(values[0] if len(values) == 1 else list(values), training=False)

    model, _ = tf2onnx.convert.from_function(tf.function(answer, input_signature=specs), specs, opset=opset)
    return model


def to_onnx(source: Source, opset: int) -> onnx.ModelProto:
    convert = {"sklearn": _sklearn, "xgboost": _xgboost, "lightgbm": _lightgbm, "pytorch": _pytorch}
    convert["tensorflow"] = _tensorflow
    return convert[source.flavor](source, opset)
