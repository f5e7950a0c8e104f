# SPDX-License-Identifier: Apache-2.0
"""A class in `model.py`: `predict(self, inputs)` and, if it likes, `load(self, folder)`, `inputs` and `outputs`."""

from __future__ import annotations

import asyncio
import inspect
import pathlib
from collections.abc import Iterator

from slipway_worker.model import Call, Model, bad_model, named, parsed_specs
from slipway_worker.styles import import_file
from slipway_worker.wire import Failure


def load(path: pathlib.Path, source: dict) -> PlainClass:
    entry = source["parameters"].get("entry", "")
    if path.is_dir():
        file, _, name = entry.rpartition(":")
        path = path / (f"{file.replace('.', '/')}.py" if file else "model.py")
        entry = name
    module = import_file(path, "slipway_model")
    return PlainClass(found_class(module, entry.rpartition(":")[2], path.name)(), source)


def found_class(module, name: str, file: str):
    if name:
        made = getattr(module, name, None)
        if not inspect.isclass(made):
            raise bad_model(f"parameters.entry names the class '{name}', which {file} does not have")
        return made
    own = [
        one
        for one in vars(module).values()
        if inspect.isclass(one) and one.__module__ == module.__name__ and callable(getattr(one, "predict", None))
    ]
    if len(own) != 1:
        raise bad_model(f"{file} has {len(own)} classes with a method predict; parameters.entry says which one")
    return own[0]


class PlainClass(Model):
    platform = "python_class"

    def __init__(self, instance, source: dict):
        super().__init__()
        self.instance = instance
        if callable(getattr(instance, "load", None)):
            finished(instance.load(source["folder"]))
        config = source["config"]
        for side in ("inputs", "outputs"):
            declared = getattr(instance, side, None) or config.get(side)
            setattr(self, side, parsed_specs(declared, side) if declared else [])
        self.open = not self.inputs
        self.batchable = getattr(instance, "batchable", None)
        self.decoupled = inspect.isgeneratorfunction(instance.predict) or bool(getattr(instance, "decoupled", False))
        self.takes_parameters = "parameters" in inspect.signature(instance.predict).parameters

    def _predict(self, inputs, call: Call):
        if self.takes_parameters:
            return finished(self.instance.predict(inputs, parameters=call.parameters))
        return finished(self.instance.predict(inputs))

    def run(self, inputs, call: Call) -> dict:
        answer = self._predict(inputs, call)
        if inspect.isgenerator(answer):
            parts = list(answer)
            if len(parts) != 1:
                raise Failure("UNIMPLEMENTED", "several_answers", f"{len(parts)} answers: ask for a stream")
            answer = parts[0]
        return named(answer, self.outputs)

    def stream(self, inputs, call: Call) -> Iterator[dict]:
        answer = self._predict(inputs, call)
        for part in answer if inspect.isgenerator(answer) else [answer]:
            yield named(part, self.outputs)

    def close(self) -> None:
        if callable(getattr(self.instance, "close", None)):
            self.instance.close()


LOOP: list[asyncio.AbstractEventLoop] = []


def finished(value):
    """The value of a coroutine; anything else as it is."""
    if not inspect.iscoroutine(value):
        return value
    if not LOOP:
        LOOP.append(asyncio.new_event_loop())
    return LOOP[0].run_until_complete(value)
