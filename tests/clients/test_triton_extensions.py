# SPDX-License-Identifier: Apache-2.0
"""Triton's extensions by the unmodified tritonclient: classes, shared memory, statistics, settings, streams."""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import uuid

import numpy as np
import pytest
import requests
import tiny_models
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_grpc_aio
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException, shared_memory

LIBRARIES = pytest.mark.parametrize("library", [triton_http, triton_grpc], ids=["http", "grpc"])
ANSWER_S = 30


@pytest.fixture(scope="module")
def clients(server):
    with (
        triton_http.InferenceServerClient(server.http, concurrency=4) as http,
        triton_grpc.InferenceServerClient(server.grpc) as grpc,
    ):
        yield {triton_http: http, triton_grpc: grpc}


def inputs_of(library, rows: np.ndarray) -> list:
    tensors = []
    for i, name in enumerate(tiny_models.FEATURES):
        tensor = library.InferInput(name, [len(rows), 1], "FP32")
        tensor.set_data_from_numpy(rows[:, i : i + 1])
        tensors.append(tensor)
    return tensors


def as_json(client, ask: str, *arguments, **options) -> dict:
    """The answer of either client as a dictionary."""
    if isinstance(client, triton_grpc.InferenceServerClient):
        options["as_json"] = True
    return getattr(client, ask)(*arguments, **options)


@LIBRARIES
def test_the_server_lists_what_it_serves(clients, library):
    extensions = as_json(clients[library], "get_server_metadata")["extensions"]
    wanted = {"classification", "sequence", "schedule_policy", "statistics", "trace", "logging", "system_shared_memory"}
    assert wanted < set(extensions)
    assert "cuda_shared_memory" not in extensions


@LIBRARIES
def test_classification(clients, registered_model, library):
    rows = tiny_models.rows(5, seed=8)
    outputs = [library.InferRequestedOutput("probabilities", class_count=1), library.InferRequestedOutput("label")]
    answer = clients[library].infer(registered_model, inputs_of(library, rows), outputs=outputs)
    best = answer.as_numpy("probabilities")
    assert best.shape == (5, 1)
    expected = tiny_models.score(rows)
    for row, one in zip(best[:, 0], expected, strict=True):
        value, index = row.decode().split(":")[:2]
        assert int(index) == int(one > 0.5)
        assert float(value) == pytest.approx(max(one, 1 - one), abs=1e-5)
    np.testing.assert_array_equal(answer.as_numpy("label"), (expected > 0.5).astype(np.int64))


class Region:
    """A region of POSIX shared memory that is registered, and gone in the end."""

    def __init__(self, client, size: int):
        self.client, self.size = client, size
        self.name = f"region-{uuid.uuid4().hex[:12]}"
        self.handle = shared_memory.create_shared_memory_region(self.name, f"/test-{self.name}", size)

    def __enter__(self) -> Region:
        self.client.register_system_shared_memory(self.name, f"/test-{self.name}", self.size)
        return self

    def __exit__(self, *_) -> None:
        self.client.unregister_system_shared_memory(self.name)
        shared_memory.destroy_shared_memory_region(self.handle)


@LIBRARIES
def test_system_shared_memory(clients, registered_model, library):
    client = clients[library]
    rows = tiny_models.rows(1000, seed=9)
    with Region(client, 8000) as given, Region(client, 16384) as taken:
        shared_memory.set_shared_memory_region(given.handle, [rows[:, 0:1].copy(), rows[:, 1:2].copy()])
        inputs = [library.InferInput(name, [1000, 1], "FP32") for name in tiny_models.FEATURES]
        inputs[0].set_shared_memory(given.name, 4000)
        inputs[1].set_shared_memory(given.name, 4000, offset=4000)
        outputs = [library.InferRequestedOutput("probabilities"), library.InferRequestedOutput("label")]
        outputs[0].set_shared_memory(taken.name, 8000)
        outputs[1].set_shared_memory(taken.name, 8000, offset=8000)
        answer = client.infer(registered_model, inputs, outputs=outputs)
        expected = tiny_models.score(rows)
        got = shared_memory.get_contents_as_numpy(taken.handle, np.float32, [1000, 2])
        np.testing.assert_allclose(got[:, 1], expected, atol=1e-5)
        labels = shared_memory.get_contents_as_numpy(taken.handle, np.int64, [1000], 8000)
        np.testing.assert_array_equal(labels, (expected > 0.5).astype(np.int64))
        assert answer.get_output("probabilities") is not None
        status = as_json(client, "get_system_shared_memory_status")
        assert given.name in json.dumps(status)
        outputs[0].set_shared_memory(taken.name, 16)
        with pytest.raises(InferenceServerException, match="shared_memory_byte_size"):
            client.infer(registered_model, inputs, outputs=outputs)
    with pytest.raises(InferenceServerException, match="shared_memory_region"):
        client.infer(registered_model, inputs)


@LIBRARIES
def test_what_cannot_be_registered_is_refused(clients, library):
    client = clients[library]
    for key in ("/../etc/passwd", "/a/b", f"/{uuid.uuid4().hex}"):
        with pytest.raises(InferenceServerException, match="key"):
            client.register_system_shared_memory("bad", key, 64)
    with pytest.raises(InferenceServerException, match="GPU"):
        client.register_cuda_shared_memory("bad", base64.b64encode(b"handle"), 0, 64)
    assert as_json(client, "get_cuda_shared_memory_status") in ([], {})


@LIBRARIES
def test_statistics_only_rise(clients, registered_model, library):
    client = clients[library]

    def counted() -> dict:
        (of,) = as_json(client, "get_inference_statistics", registered_model)["model_stats"]
        return of

    before = counted()
    rows = tiny_models.rows(3)
    for _ in range(4):
        client.infer(registered_model, inputs_of(library, rows))
    after = counted()
    assert after["name"] == registered_model
    assert after["version"] == "1"
    assert int(after["inference_count"]) - int(before.get("inference_count", 0)) == 12
    success, earlier = after["inference_stats"]["success"], before["inference_stats"]["success"]
    assert int(success["count"]) - int(earlier.get("count", 0)) == 4
    assert int(success["ns"]) > int(earlier.get("ns", 0))
    assert int(after["inference_stats"]["compute_infer"]["ns"]) > 0
    everything = as_json(client, "get_inference_statistics")["model_stats"]
    assert registered_model in [of["name"] for of in everything]
    with pytest.raises(InferenceServerException):
        client.get_inference_statistics("nobody")


@LIBRARIES
def test_log_settings(clients, library):
    client = clients[library]
    assert as_json(client, "get_log_settings")
    client.update_log_settings({"log_verbose_level": 1})
    assert "1" in json.dumps(as_json(client, "get_log_settings"))
    client.update_log_settings({"log_verbose_level": 0})
    with pytest.raises(InferenceServerException, match="log_file"):
        client.update_log_settings({"log_file": "/tmp/elsewhere"})


@LIBRARIES
def test_trace_settings(server, clients, registered_model, library):
    client = clients[library]
    name = f"trace-{uuid.uuid4().hex[:8]}.json"
    wanted = {"trace_level": ["TIMESTAMPS"], "trace_rate": "1", "trace_count": "2", "trace_file": name}
    client.update_trace_settings(registered_model, wanted)
    for i in range(3):
        client.infer(registered_model, inputs_of(library, tiny_models.rows(1)), request_id=f"traced-{i}")
    path = server.data / "traces" / name
    traces = server.wait_for(
        lambda: path.exists() and len(found := json.loads(path.read_text())) == 4 and found, ANSWER_S, "two traces"
    )
    assert [trace["request_id"] for trace in traces if "request_id" in trace] == ["traced-0", "traced-1"]
    assert as_json(client, "get_trace_settings", registered_model)
    client.update_trace_settings(registered_model, {"trace_level": None, "trace_count": None, "trace_rate": None})
    with pytest.raises(InferenceServerException, match="trace_level"):
        client.update_trace_settings(settings={"trace_level": ["TENSORS"]})


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compression_both_ways(clients, registered_model, encoding):
    rows = tiny_models.rows(2000, seed=11)
    expected = tiny_models.score(rows)
    for library, options in (
        (triton_http, {"request_compression_algorithm": encoding, "response_compression_algorithm": encoding}),
        (triton_grpc, {"compression_algorithm": encoding}),
    ):
        answer = clients[library].infer(registered_model, inputs_of(library, rows), **options)
        np.testing.assert_allclose(answer.as_numpy("probabilities")[:, 1], expected, atol=1e-5)


@LIBRARIES
def test_async_calls_with_priority_and_parameters(clients, registered_model, library):
    client = clients[library]
    rows = [tiny_models.rows(2, seed=seed) for seed in range(20)]
    options = {"priority": 1, "timeout": 10_000_000, "parameters": {"tenant": "a", "deep": True, "top": 3}}
    if library is triton_http:
        calls = [client.async_infer(registered_model, inputs_of(library, one), **options) for one in rows]
        answers = [call.get_result(timeout=ANSWER_S) for call in calls]
    else:
        done: queue.Queue = queue.Queue()
        for i, one in enumerate(rows):
            client.async_infer(
                registered_model,
                inputs_of(library, one),
                callback=lambda result, error, i=i: done.put((i, result, error)),
                **options,
            )
        got = dict((i, result) for i, result, _ in (done.get(timeout=ANSWER_S) for _ in rows))
        answers = [got[i] for i in range(len(rows))]
    for answer, one in zip(answers, rows, strict=True):
        np.testing.assert_allclose(answer.as_numpy("probabilities")[:, 1], tiny_models.score(one), atol=1e-5)


def test_many_requests_on_one_stream(clients, registered_model):
    client = clients[triton_grpc]
    got: queue.Queue = queue.Queue()
    client.start_stream(callback=lambda result, error: got.put((result, error)))
    rows = {str(i): tiny_models.rows(2, seed=i) for i in range(200)}
    for name, one in rows.items():
        client.async_stream_infer(
            registered_model, inputs_of(triton_grpc, one), request_id=name, enable_empty_final_response=True
        )
    while rows:
        result, error = got.get(timeout=ANSWER_S)
        assert error is None
        response = result.get_response()
        assert response.parameters["triton_final_response"].bool_param
        expected = tiny_models.score(rows.pop(response.id))
        np.testing.assert_allclose(result.as_numpy("probabilities")[:, 1], expected, atol=1e-5)
    client.stop_stream()
    assert got.empty()


def test_asyncio_stream(server, registered_model):
    rows = [tiny_models.rows(1, seed=seed) for seed in range(10)]

    async def requests_of():
        for i, one in enumerate(rows):
            yield {"model_name": registered_model, "inputs": inputs_of(triton_grpc, one), "request_id": str(i)}

    async def run() -> list:
        async with triton_grpc_aio.InferenceServerClient(server.grpc) as client:
            return [
                (result.get_response().id, result.as_numpy("probabilities")[:, 1])
                async for result, error in client.stream_infer(requests_of())
                if error is None
            ]

    got = dict(asyncio.run(asyncio.wait_for(run(), ANSWER_S)))
    for i, one in enumerate(rows):
        np.testing.assert_allclose(got[str(i)], tiny_models.score(one), atol=1e-5)


def test_a_timeout_of_the_client_is_kept(clients, registered_model):
    with pytest.raises(InferenceServerException) as error:
        clients[triton_grpc].infer(
            registered_model, inputs_of(triton_grpc, tiny_models.rows(500_000)), client_timeout=0.001
        )
    assert error.value.status() == "StatusCode.DEADLINE_EXCEEDED"


def test_a_cancelled_call(clients, registered_model):
    done: queue.Queue = queue.Queue()
    call = clients[triton_grpc].async_infer(
        registered_model,
        inputs_of(triton_grpc, tiny_models.rows(5000)),
        callback=lambda result, error: done.put((result, error)),
    )
    call.cancel()
    result, error = done.get(timeout=ANSWER_S)
    assert error is not None or result is not None
    rows = tiny_models.rows(1)
    assert clients[triton_grpc].infer(registered_model, inputs_of(triton_grpc, rows)) is not None


def test_generate(server, registered_model):
    body = {"age": [1.0], "income": [2.0], "id": "g"}
    answer = server.post(f"/v2/models/{registered_model}/generate", body)
    expected = tiny_models.score(np.array([[1.0, 2.0]]))[0]
    assert answer["label"] == int(expected > 0.5)
    assert answer["probabilities"] == pytest.approx([1 - expected, expected], abs=1e-5)
    stream = requests.post(f"{server.url}/v2/models/{registered_model}/generate_stream", json=body, timeout=ANSWER_S)
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    (event,) = [line for line in stream.text.split("\n\n") if line]
    assert json.loads(event.removeprefix("data: "))["probabilities"] == answer["probabilities"]
