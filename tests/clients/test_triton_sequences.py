# SPDX-License-Identifier: Apache-2.0
"""Sequences of a stateful model by the unmodified tritonclient and perf_analyzer: the server keeps what the model says
between the requests of one sequence."""

from __future__ import annotations

import json
import queue

import numpy as np
import onnx
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from onnx import TensorProto, helper
from test_perf_analyzer import analyze

LIBRARIES = pytest.mark.parametrize("library", [triton_http, triton_grpc], ids=["http", "grpc"])
ANSWER_S = 30
CONFIG = {
    "backend": "onnxruntime",
    "max_batch_size": 8,
    "sequence_batching": {
        "max_sequence_idle_microseconds": 60_000_000,
        "state": [{"input_name": "before", "output_name": "after", "data_type": "TYPE_FP32", "dims": [1]}],
    },
}


def running_sum() -> bytes:
    """x and before, FP32 [N,1] -> total = after = before + x."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "before"], ["total"]), helper.make_node("Identity", ["total"], ["after"])],
        "running_sum",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1]) for name in ("x", "before")],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1]) for name in ("total", "after")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def stateful(server):
    with triton_http.InferenceServerClient(server.http) as client:
        client.load_model("running", config=json.dumps(CONFIG), files={"file:1/model.onnx": running_sum()})
    return "running"


def number(library, value: float) -> list:
    tensor = library.InferInput("x", [1, 1], "FP32")
    tensor.set_data_from_numpy(np.array([[value]], np.float32))
    return [tensor]


def client_of(server, library):
    return library.InferenceServerClient(server.http if library is triton_http else server.grpc)


@LIBRARIES
def test_what_callers_are_told_is_true(server, stateful, library):
    with client_of(server, library) as client:
        if library is triton_http:
            config = client.get_model_config(stateful)
            inputs = [one["name"] for one in client.get_model_metadata(stateful)["inputs"]]
        else:
            config = client.get_model_config(stateful, as_json=True)["config"]
            inputs = [one.name for one in client.get_model_metadata(stateful).inputs]
    assert "sequence_batching" in config
    assert int(config["max_batch_size"]) == 8
    assert inputs == ["x"]


@LIBRARIES
@pytest.mark.parametrize("names", [(11, 12), ("left", "right")], ids=["numbers", "names"])
def test_sequences_do_not_mix(server, stateful, library, names):
    with client_of(server, library) as client:
        totals = dict.fromkeys(names, 0.0)
        for i in range(5):
            for place, name in enumerate(names):
                value = float(10 * i + place)
                totals[name] += value
                answer = client.infer(
                    stateful, number(library, value), sequence_id=name, sequence_start=i == 0, sequence_end=i == 4
                )
                assert answer.as_numpy("total")[0, 0] == totals[name]


def test_a_sequence_on_a_stream_keeps_its_order(server, stateful):
    got: queue.Queue = queue.Queue()
    with triton_grpc.InferenceServerClient(server.grpc) as client:
        client.start_stream(callback=lambda result, error: got.put((result, error)))
        for i in range(50):
            client.async_stream_infer(
                stateful,
                number(triton_grpc, 1.0),
                request_id=str(i),
                sequence_id=77,
                sequence_start=i == 0,
                sequence_end=i == 49,
            )
        answers = [got.get(timeout=ANSWER_S) for _ in range(50)]
        client.stop_stream()
    assert all(error is None for _, error in answers)
    totals = {result.get_response().id: float(result.as_numpy("total")[0, 0]) for result, _ in answers}
    assert totals == {str(i): i + 1.0 for i in range(50)}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_perf_analyzer_plays_sequences(server, stateful, tmp_path, protocol):
    options = ["--sequence-length", "5", "--concurrency-range", "2"]
    if protocol == "grpc":
        options += ["--streaming", "--async"]
    analyze(server, tmp_path, stateful, "-i", protocol, *options)
