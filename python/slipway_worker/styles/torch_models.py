# SPDX-License-Identifier: Apache-2.0
"""TorchScript files (`torch.jit.save`) and exported programs (`torch.export.save`)."""

from __future__ import annotations

import pathlib

from slipway_worker.model import Call, Model, bad_model, parsed_specs, parsed_type, plain, spec
from slipway_worker.wire import Failure


def load(path: pathlib.Path, source: dict) -> TorchModel:
    exported = source["style"] == "torch_export"
    if path.is_dir():
        found = sorted(path.glob("*.pt2" if exported else "*.pt"))
        if len(found) != 1:
            raise bad_model(f"the version has {len(found)} such files; one is expected")
        path = found[0]
    try:
        import torch
    except ImportError:
        raise bad_model("the model needs torch, which its environment does not have") from None
    torch.set_num_threads(int(source["threads"]))
    return TorchModel(torch, path, source, exported)


class TorchModel(Model):
    def __init__(self, torch, path: pathlib.Path, source: dict, exported: bool):
        super().__init__()
        self.torch = torch
        self.platform = "pytorch_export" if exported else "pytorch_libtorch"
        config = source["config"]
        if exported:
            program = torch.export.load(str(path))
            self.module = program.module()
            self.inputs = exported_inputs(program)
            self.names = [one["name"] for one in self.inputs]
        else:
            self.module = torch.jit.load(str(path), map_location="cpu").eval()
            self.names = [one.name for one in self.module.forward.schema.arguments[1:]]
        if config.get("inputs"):
            self.inputs = parsed_specs(config["inputs"], "inputs")
            declared = [one["name"] for one in self.inputs]
            if set(declared) != set(self.names):  # by place, as INPUT__0, INPUT__1
                self.names = declared
        self.outputs = parsed_specs(config["outputs"], "outputs") if config.get("outputs") else []
        self.open = not self.inputs

    def _arguments(self, inputs) -> list:
        if set(inputs) <= set(self.names):
            ordered = [inputs[name] for name in self.names if name in inputs]
        else:
            ordered = list(inputs.values())
        if any(array.dtype.kind == "O" for array in ordered):
            raise Failure("INVALID_ARGUMENT", "wrong_datatype", "a torch model takes no strings")
        return [self.torch.from_numpy(array) for array in ordered]

    def run(self, inputs, call: Call) -> dict:
        with self.torch.inference_mode():
            answer = self.module(*self._arguments(inputs))
        if isinstance(answer, dict):
            return {str(name): plain(value) for name, value in answer.items()}
        values = list(answer) if isinstance(answer, (tuple, list)) else [answer]
        names = [one["name"] for one in self.outputs]
        if len(names) != len(values):
            names = [f"OUTPUT__{i}" for i in range(len(values))]
        return {name: plain(value) for name, value in zip(names, values, strict=True)}


def exported_inputs(program) -> list[dict]:
    """An exported program carries an example of each input, with what may vary as a symbol."""
    found = []
    user = set(program.graph_signature.user_inputs)
    for node in program.graph.nodes:
        if node.op != "placeholder" or node.name not in user:
            continue
        value = node.meta.get("val")
        if not hasattr(value, "dtype"):
            raise bad_model(f"input '{node.name}' of the exported program is not a tensor")
        shape = [size if isinstance(size, int) else -1 for size in value.shape]
        found.append(spec(node.name, parsed_type(str(value.dtype).removeprefix("torch.")), shape))
    return found
