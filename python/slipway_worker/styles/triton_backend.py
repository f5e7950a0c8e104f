# SPDX-License-Identifier: Apache-2.0
"""Triton's Python backend: `TritonPythonModel` with initialize, execute and finalize."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Iterator

from slipway_worker.model import Call, Model, bad_model, parsed_type, plain, spec
from slipway_worker.styles import import_file
from slipway_worker.wire import Failure

CODES = ("UNKNOWN", "INTERNAL", "NOT_FOUND", "INVALID_ARGUMENT", "UNAVAILABLE", "UNIMPLEMENTED", "ALREADY_EXISTS",
         "CANCELLED")  # fmt: skip


def load(path: pathlib.Path, source: dict) -> TritonModel:
    if path.is_dir():
        path = path / "model.py"
    sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "shims"))
    import triton_python_backend_utils as pb_utils

    module = import_file(path, "slipway_model")
    if not hasattr(module, "TritonPythonModel"):
        raise bad_model(f"{path.name} has no class TritonPythonModel")
    pb_utils.get_model_dir = lambda: str(path.parent)
    return TritonModel(module.TritonPythonModel, pb_utils, path, source)


def triton_tensor(one: dict, batched: bool) -> dict:
    kind = one["datatype"]
    dims = one["shape"][1:] if batched else one["shape"]
    return {"name": one["name"], "data_type": "TYPE_" + ("STRING" if kind == "BYTES" else kind), "dims": dims}


class TritonModel(Model):
    platform = "python"
    text = False

    def __init__(self, kind: type, pb_utils, path: pathlib.Path, source: dict):
        super().__init__()
        self.pb_utils, self.name = pb_utils, source["name"]
        config = self._config(kind, source)
        rows = config.get("max_batch_size", 0)
        self.batchable = rows > 0
        self.decoupled = pb_utils.using_decoupled_model_transaction_policy(config)
        for side, listed in (("input", self.inputs), ("output", self.outputs)):
            for one in config.get(side, []):
                dims = [int(size) for size in one["dims"]]
                listed.append(spec(one["name"], parsed_type(one["data_type"]), [-1, *dims] if rows > 0 else dims))
        self.open = not self.inputs
        self.instance = kind()
        if hasattr(self.instance, "initialize"):
            self.instance.initialize(
                {
                    "model_config": json.dumps(config),
                    "model_instance_kind": "CPU",
                    "model_instance_name": f"{self.name}_0",
                    "model_instance_device_id": "0",
                    "model_repository": str(path.parent.parent),
                    "model_version": source["version"],
                    "model_name": self.name,
                }
            )

    def _config(self, kind: type, source: dict) -> dict:
        own = source["config"]
        rows = own.get("max_batch_rows")
        batched = rows > 0 if rows is not None else bool(own["inputs"]) and all(
            one["shape"][:1] == [-1] for one in own["inputs"]
        )  # fmt: skip
        config = {
            "name": source["name"],
            "backend": "python",
            "max_batch_size": (rows or source["max_batch_rows"]) if batched else 0,
            "input": [triton_tensor(one, batched) for one in own["inputs"]],
            "output": [triton_tensor(one, batched) for one in own["outputs"]],
            "parameters": {name: {"string_value": value} for name, value in source["parameters"].items()},
            "instance_group": [{"name": f"{source['name']}_0", "kind": "KIND_CPU", "count": source["instances"]}],
            "model_transaction_policy": {"decoupled": bool(own.get("decoupled"))},
        }
        if hasattr(kind, "auto_complete_config"):
            made = kind.auto_complete_config(self.pb_utils.ModelConfig(config))
            config = made.as_dict() if made is not None else config
        return config

    def _request(self, inputs, call: Call):
        sequence = call.sequence
        flags = (1 if sequence.get("start") else 0) | (2 if sequence.get("end") else 0)
        number = sequence.get("id", 0)
        if isinstance(number, str) and number.isdigit():
            number = int(number)
        parameters = dict(call.parameters)
        return self.pb_utils.InferenceRequest(
            model_name=self.name,
            inputs=[self.pb_utils.Tensor(name, array) for name, array in inputs.items()],
            requested_output_names=call.outputs or [one["name"] for one in self.outputs],
            correlation_id=number,
            flags=flags,
            parameters=parameters,
        )

    def _execute(self, request) -> list:
        try:
            answers = self.instance.execute([request])
        except self.pb_utils.TritonError as error:
            raise self._failure(error) from None
        if answers is None:
            return request._sent
        if len(answers) != 1:
            raise Failure("INTERNAL", "model_raised", f"execute got 1 request and gave {len(answers)} answers")
        return request._sent if answers[0] is None else answers

    @staticmethod
    def _failure(error) -> Failure:
        code = CODES[error.code()] if 0 <= error.code() < len(CODES) else "INTERNAL"
        return Failure(code, "model_raised", error.message())

    def _outputs(self, answer) -> dict:
        if answer.has_error():
            raise self._failure(answer.error())
        return {tensor.name(): plain(tensor.as_numpy()) for tensor in answer.output_tensors()}

    def run(self, inputs, call: Call) -> dict:
        answers = self._execute(self._request(inputs, call))
        if len(answers) != 1:
            raise Failure(
                "UNIMPLEMENTED", "several_answers", f"{len(answers)} answers to one request: ask for a stream"
            )
        return self._outputs(answers[0])

    def stream(self, inputs, call: Call) -> Iterator[dict]:
        for answer in self._execute(self._request(inputs, call)):
            yield self._outputs(answer)

    def close(self) -> None:
        if hasattr(self.instance, "finalize"):
            self.instance.finalize()
