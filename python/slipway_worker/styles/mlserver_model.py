# SPDX-License-Identifier: Apache-2.0
"""MLServer's custom runtimes: `model-settings.json` names a class over `mlserver.MLModel`, whose package the model's
environment has."""

from __future__ import annotations

import importlib
import json
import pathlib
import sys

import numpy as np

from slipway_worker.model import Call, Model, bad_model, parsed_specs
from slipway_worker.styles.plain_class import finished
from slipway_worker.wire import Failure


def load(path: pathlib.Path, source: dict) -> MLServerModel:
    folder = path if path.is_dir() else path.parent
    try:
        settings = json.loads((folder / "model-settings.json").read_text())
    except (OSError, ValueError) as error:
        raise bad_model(f"model-settings.json: {error}") from None
    if "." not in settings.get("implementation", ""):
        raise bad_model('model-settings.json: "implementation" is "module.Class"')
    try:
        import mlserver
    except ImportError:
        raise bad_model(
            "the model is MLServer's and the environment has no mlserver: its requirements.txt should name it"
        ) from None
    return MLServerModel(mlserver, folder, settings)


class MLServerModel(Model):
    platform = "mlserver"

    def __init__(self, mlserver, folder: pathlib.Path, settings: dict):
        super().__init__()
        import mlserver.codecs
        import mlserver.types

        self.types, self.codecs = mlserver.types, mlserver.codecs
        sys.path.insert(0, str(folder))
        module, _, name = settings["implementation"].rpartition(".")
        kind = getattr(importlib.import_module(module), name)
        parameters = settings.setdefault("parameters", {})
        parameters["uri"] = str((folder / (parameters.get("uri") or ".")).resolve())
        settings.setdefault("name", folder.name)
        self.instance = kind(mlserver.ModelSettings.model_validate(settings))
        if not finished(self.instance.load()):
            raise bad_model("its load() did not return True")
        self.inputs = parsed_specs(settings["inputs"], "inputs") if settings.get("inputs") else []
        self.outputs = parsed_specs(settings["outputs"], "outputs") if settings.get("outputs") else []
        self.open = not self.inputs

    def run(self, inputs, call: Call) -> dict:
        request = self.types.InferenceRequest(
            inputs=[self._input(name, array) for name, array in inputs.items()],
            parameters=self.types.Parameters(**call.parameters) if call.parameters else None,
        )
        try:
            answer = finished(self.instance.predict(request))
        except Exception as error:
            if getattr(error, "status_code", 500) in range(400, 500):
                raise Failure("INVALID_ARGUMENT", "model_raised", str(error)) from None
            raise
        return {one.name: self._output(one) for one in answer.outputs}

    def _input(self, name: str, array: np.ndarray):
        codec = self.codecs.StringCodec if array.dtype.kind == "O" else self.codecs.NumpyCodec
        if array.dtype.kind == "O":
            made = codec.encode_input(name, array.ravel().tolist())
            made.shape = list(array.shape)
            return made
        return codec.encode_input(name, array)

    def _output(self, output) -> np.ndarray:
        if output.datatype == "BYTES":
            made = np.empty(len(output.data), dtype=object)
            made[:] = list(output.data)
            return made.reshape(output.shape)
        return self.codecs.NumpyCodec.decode_output(output)

    def close(self) -> None:
        unload = getattr(self.instance, "unload", None)
        if callable(unload):
            finished(unload())
