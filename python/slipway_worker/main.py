# SPDX-License-Identifier: Apache-2.0
"""Loads one model, says what it takes and gives, and answers one request after the other until the server hangs up."""

from __future__ import annotations

import errno
import gc
import os
import sys
import traceback

import numpy as np

from slipway_worker import wire
from slipway_worker.model import Call, Model, observed_specs, zeros
from slipway_worker.styles import load_model
from slipway_worker.wire import BYTES, Channel, Failure, Plan

CHANNEL = 3  # the descriptor that the server leaves open


def failure_of(error: BaseException, network: bool) -> Failure:
    if isinstance(error, Failure):
        return error
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        return Failure(
            "INTERNAL", "worker_out_of_memory", f"the model ran out of memory (python.memory_mb): {text}", recycle=True
        )
    if refused_by_sandbox(error) and not network:
        text += " (models have no network; python.network allows it)"
    return Failure("INTERNAL", "model_raised", text)


def refused_by_sandbox(error: BaseException | None) -> bool:
    """Somewhere among its causes stands what a socket gets that the sandbox refused."""
    for _ in range(16):
        if error is None:
            return False
        if isinstance(error, PermissionError) and error.errno == errno.EACCES and error.filename is None:
            return True
        if "[Errno 13] Permission denied" in str(error) and not isinstance(error, PermissionError):
            return True
        error = error.__cause__ or error.__context__
    return False


def as_text(value: bytes):
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def model_inputs(model: Model, plan: Plan) -> dict:
    if plan.lasting:
        return {name: array for name, _, array in plan.arrays}
    inputs = {}
    for name, code, array in plan.arrays:
        if code == BYTES and model.text:
            flat = array.ravel()
            for i, value in enumerate(flat):
                flat[i] = as_text(value)
        inputs[name] = array
    return inputs


class Worker:
    def __init__(self, channel: Channel, model: Model, network: bool):
        self.channel, self.model, self.network = channel, model, network

    def serve(self) -> None:
        channel = self.channel
        while True:
            kind, table, segment, room, size = channel.receive()
            plan = channel.inputs(table, segment)
            try:
                rest = channel.rest(len(table), size)
                if kind == wire.RUN:
                    answer = channel.put_outputs(self.run(plan, rest), room)
                    channel.note_kept(plan, table, segment)  # an output may have been an input
                    channel.send_answer(wire.ANSWER, *answer)
                elif kind == wire.STREAM:
                    self.stream(plan, table, segment, rest, room)
            except Exception as error:  # noqa: BLE001 - the model's, of any kind
                failure = self.told(error)
            else:
                continue
            channel.note_kept(plan, table, segment)
            channel.send_failure(failure)

    def run(self, plan: Plan, rest: dict) -> dict:
        call = Call(rest)
        outputs = self.model.run(model_inputs(self.model, plan), call)
        if call.outputs:
            outputs = {name: outputs[name] for name in call.outputs if name in outputs}
        return outputs

    def stream(self, plan: Plan, table: bytes, segment: int, rest: dict, room: int) -> None:
        channel = self.channel
        parts = self.model.stream(model_inputs(self.model, plan), Call(rest))
        try:
            for outputs in parts:
                channel.kept = False
                channel.send_answer(wire.PART, *channel.put_outputs(outputs, room))
                _, _, room, stop, _ = channel.receive()
                if stop:
                    break
        finally:
            parts.close()
        parts = None
        channel.note_kept(plan, table, segment)
        channel.send(wire.END, b"", 0, wire.KEPT if channel.kept else 0)

    def told(self, error: Exception) -> Failure:
        failure = failure_of(error, self.network)
        if failure is not error:
            traceback.print_exception(error)
        # Its frames hold the inputs; the failure that is told holds none.
        return Failure(failure.code, failure.reason, failure.message, failure.recycle)


def describe(model: Model) -> dict:
    """The first runs: they fill caches, and they show what comes out where the author did not say."""
    example = None if model.decoupled else model.example()
    if example is None and model.inputs and not model.decoupled:
        example = zeros(model.inputs)
    observed, twice = None, None
    if example is not None:
        try:
            observed = model.run(example, Call({}))
            if not model.outputs and model.inputs:
                twice = model.run({name: two_rows(array) for name, array in example.items()}, Call({}))
        except Exception as error:  # noqa: BLE001 - made-up inputs may not suit it; a real call will tell
            print(f"a first run, on an example or zeros: {type(error).__name__}: {error}", file=sys.stderr)
    if not model.outputs and observed is not None:
        model.outputs = observed_specs(observed, twice)
    return model.description()


def two_rows(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array[:1], array[:1]]) if array.ndim else array


def main() -> None:
    channel = Channel(CHANNEL)
    kind, table, _, _, size = channel.receive()
    if kind != wire.LOAD:
        raise SystemExit(2)
    source = channel.rest(len(table), size)
    network = bool(source.get("network"))
    try:
        os.chdir(source["folder"])
        model = load_model(source)
        described = describe(model)
    except BaseException as error:  # noqa: BLE001 - whatever the author's code does
        if not isinstance(error, Failure):
            traceback.print_exception(error)
        failure = failure_of(error, network)
        code = "INVALID_ARGUMENT" if failure.code == "INTERNAL" else failure.code
        reason = "bad_model" if failure.reason == "model_raised" else failure.reason
        channel.send_failure(Failure(code, reason, failure.message, failure.recycle))
        raise SystemExit(1) from None
    channel.output_types = {
        one["name"]: wire.DTYPES[wire.TYPE_NAMES.index(one["datatype"])] for one in described["outputs"]
    }
    gc.collect()
    gc.freeze()  # what was loaded stays: later collections need not look at it
    channel.send_json(wire.READY, described)
    try:
        Worker(channel, model, network).serve()
    finally:
        model.close()
