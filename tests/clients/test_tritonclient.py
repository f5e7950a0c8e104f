# SPDX-License-Identifier: Apache-2.0
"""The unmodified tritonclient, over HTTP and gRPC, plain and asyncio, against the built binary."""

from __future__ import annotations

import asyncio

import mlflow
import numpy as np
import onnx
import pytest
import tiny_models
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_grpc_aio
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_http_aio
from onnx import TensorProto, helper
from tritonclient.utils import InferenceServerException

TYPES = {
    "flags": ("BOOL", TensorProto.BOOL, np.array([[True], [False]])),
    "bytes": ("UINT8", TensorProto.UINT8, np.array([[0], [255]], np.uint8)),
    "small": ("INT8", TensorProto.INT8, np.array([[-128], [127]], np.int8)),
    "ints": ("INT32", TensorProto.INT32, np.array([[-(2**31)], [2**31 - 1]], np.int32)),
    "longs": ("INT64", TensorProto.INT64, np.array([[-(2**63)], [2**63 - 1]], np.int64)),
    "halves": ("FP16", TensorProto.FLOAT16, np.array([[1.5], [-65504]], np.float16)),
    "floats": ("FP32", TensorProto.FLOAT, np.array([[0.1], [np.nan]], np.float32)),
    "doubles": ("FP64", TensorProto.DOUBLE, np.array([[0.1], [-np.inf]], np.float64)),
    "texts": ("BYTES", TensorProto.STRING, np.array([["grün"], [""]], np.object_)),
}


@pytest.fixture(scope="module")
def mirror(server):
    """A registered version, in no stage, whose outputs are its inputs, of many types: asked for by its number."""
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in TYPES]
    inputs = [helper.make_tensor_value_info(name, kind, ["N", 1]) for name, (_, kind, _) in TYPES.items()]
    outputs = [helper.make_tensor_value_info(f"{name}_out", kind, ["N", 1]) for name, (_, kind, _) in TYPES.items()]
    graph = helper.make_graph(nodes, "mirror", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    mlflow.set_experiment("mirror")
    with mlflow.start_run():
        info = mlflow.onnx.log_model(model, name="model", registered_model_name="mirror")
    return "mirror", str(info.registered_model_version)


@pytest.fixture(scope="module")
def http_client(server):
    with triton_http.InferenceServerClient(server.http) as client:
        yield client


@pytest.fixture(scope="module")
def grpc_client(server):
    with triton_grpc.InferenceServerClient(server.grpc) as client:
        yield client


def inputs_of(library, rows: np.ndarray, **options) -> list:
    tensors = []
    for i, name in enumerate(tiny_models.FEATURES):
        tensor = library.InferInput(name, [len(rows), 1], "FP32")
        tensor.set_data_from_numpy(rows[:, i : i + 1], **options)
        tensors.append(tensor)
    return tensors


def check_answer(answer, rows: np.ndarray) -> None:
    expected = tiny_models.score(rows)
    np.testing.assert_allclose(answer.as_numpy("probabilities")[:, 1], expected, atol=1e-5)
    np.testing.assert_array_equal(answer.as_numpy("label"), (expected > 0.5).astype(np.int64))


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_health_and_metadata(request, registered_model, kind):
    client = request.getfixturevalue(f"{kind}_client")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(registered_model)
    assert client.is_model_ready(registered_model, "1")
    assert not client.is_model_ready("nobody")
    assert not client.is_model_ready(registered_model, "99")
    options = {} if kind == "http" else {"as_json": True}
    assert client.get_server_metadata(**options)["name"] == "slipway"
    metadata = client.get_model_metadata(registered_model, **options)
    assert [tensor["name"] for tensor in metadata["inputs"]] == tiny_models.FEATURES
    assert [int(size) for size in metadata["inputs"][0]["shape"]] == [-1, 1]
    assert metadata["versions"] == ["1"]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_http_binary_and_json(http_client, registered_model, binary_in, binary_out):
    rows = tiny_models.rows(7, seed=3)
    outputs = None
    if binary_out is not None:
        names = ["label", "probabilities"]
        outputs = [triton_http.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    answer = http_client.infer(
        registered_model, inputs_of(triton_http, rows, binary_data=binary_in), outputs=outputs, request_id="seven"
    )
    check_answer(answer, rows)
    response = answer.get_response()
    assert response["id"] == "seven"
    assert response["parameters"]["arm"] == "stable"
    assert len(response["parameters"]["prediction_id"]) == 26


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_http_compressed_request(http_client, registered_model, encoding):
    rows = tiny_models.rows(100)
    answer = http_client.infer(registered_model, inputs_of(triton_http, rows), request_compression_algorithm=encoding)
    check_answer(answer, rows)


def test_grpc(grpc_client, registered_model):
    rows = tiny_models.rows(5000, seed=4)
    answer = grpc_client.infer(registered_model, inputs_of(triton_grpc, rows), request_id="many")
    check_answer(answer, rows)
    response = answer.get_response()
    assert response.id == "many"
    assert response.parameters["arm"].string_param == "stable"


def test_grpc_stream(grpc_client, registered_model):
    rows = tiny_models.rows(3, seed=5)
    answers = asyncio.Queue()
    grpc_client.start_stream(callback=lambda result, error: answers.put_nowait((result, error)))
    for i in range(3):
        grpc_client.async_stream_infer(
            registered_model if i != 1 else "nobody", inputs_of(triton_grpc, rows), request_id=str(i)
        )
    grpc_client.stop_stream()
    got = [answers.get_nowait() for _ in range(3)]
    check_answer(got[0][0], rows)
    assert "nobody" in str(got[1][1])
    check_answer(got[2][0], rows)


@pytest.mark.parametrize("library", [triton_http, triton_grpc], ids=["http", "grpc"])
def test_every_type_comes_back_as_it_went(request, mirror, library):
    client = request.getfixturevalue("http_client" if library is triton_http else "grpc_client")
    name, version = mirror
    inputs = []
    for tensor_name, (datatype, _, value) in TYPES.items():
        tensor = library.InferInput(tensor_name, list(value.shape), datatype)
        tensor.set_data_from_numpy(value)
        inputs.append(tensor)
    answer = client.infer(name, inputs, model_version=version)
    for tensor_name, (datatype, _, value) in TYPES.items():
        got = answer.as_numpy(f"{tensor_name}_out")
        if datatype == "BYTES":
            assert [[text.decode() for text in row] for row in got] == value.tolist()
        else:
            assert got.dtype == value.dtype
            np.testing.assert_array_equal(got, value)


def test_json_carries_every_type_that_it_can(http_client, mirror):
    name, version = mirror
    inputs, outputs = [], []
    for tensor_name, (datatype, _, value) in TYPES.items():
        tensor = triton_http.InferInput(tensor_name, list(value.shape), datatype)
        tensor.set_data_from_numpy(value, binary_data=datatype == "FP16")
        inputs.append(tensor)
        outputs.append(triton_http.InferRequestedOutput(f"{tensor_name}_out", binary_data=False))
    answer = http_client.infer(name, inputs, model_version=version, outputs=outputs)
    for tensor_name, (datatype, _, value) in TYPES.items():
        got = answer.as_numpy(f"{tensor_name}_out")
        if datatype == "BYTES":
            assert got.tolist() == value.tolist()
        else:
            np.testing.assert_array_equal(got, value)


def test_sticky_key_and_log(server, http_client, registered_model):
    rows = tiny_models.rows(1)
    answer = http_client.infer(
        registered_model, inputs_of(triton_http, rows), parameters={"slipway-key": "user-1"}, request_id="sticky"
    )
    prediction_id = answer.get_response()["parameters"]["prediction_id"]
    logged = server.wait_for(lambda: server.get(f"/api/v1/predictions/{prediction_id}"), 30, "the logged prediction")
    assert logged["key"] == "user-1"
    assert logged["request_id"] == "sticky"
    assert logged["protocol"] == "oip_http"


WRONG = {
    "unknown input": (lambda library: [library.InferInput("wage", [1, 1], "FP32")], "inputs[0].name"),
    "wrong type": (lambda library: [library.InferInput("age", [1, 1], "BYTES")], "inputs[0].datatype"),
    "wrong shape": (lambda library: [library.InferInput("age", [1, 3], "FP32")], "inputs[0].shape"),
}


@pytest.mark.parametrize("library", [triton_http, triton_grpc], ids=["http", "grpc"])
@pytest.mark.parametrize("what", WRONG)
def test_errors_name_the_field(request, registered_model, library, what):
    client = request.getfixturevalue("http_client" if library is triton_http else "grpc_client")
    make, field = WRONG[what]
    inputs = make(library)
    kind = np.object_ if inputs[0].datatype() == "BYTES" else np.float32
    inputs[0].set_data_from_numpy(np.ones(inputs[0].shape(), np.float32).astype(kind))
    rest = inputs_of(library, tiny_models.rows(1))
    with pytest.raises(InferenceServerException) as error:
        client.infer(registered_model, inputs + rest[1:])
    assert field in error.value.message()
    assert error.value.status() in ("400", "StatusCode.INVALID_ARGUMENT")


@pytest.mark.parametrize("library", [triton_http, triton_grpc], ids=["http", "grpc"])
def test_unknown_endpoint(request, library, registered_model):
    client = request.getfixturevalue("http_client" if library is triton_http else "grpc_client")
    with pytest.raises(InferenceServerException) as error:
        client.infer("nobody", inputs_of(library, tiny_models.rows(1)))
    assert "nobody" in error.value.message()
    assert error.value.status() in ("404", "StatusCode.NOT_FOUND")


@pytest.mark.parametrize("library", [triton_http_aio, triton_grpc_aio], ids=["http", "grpc"])
def test_asyncio_clients_in_parallel(server, registered_model, library):
    plain = triton_http if library is triton_http_aio else triton_grpc
    address = server.http if library is triton_http_aio else server.grpc

    async def run():
        async with library.InferenceServerClient(address) as client:
            assert await client.is_server_ready()

            async def one(seed):
                rows = tiny_models.rows(4, seed=seed)
                check_answer(await client.infer(registered_model, inputs_of(plain, rows)), rows)

            await asyncio.gather(*(one(seed) for seed in range(20)))

    asyncio.run(run())
