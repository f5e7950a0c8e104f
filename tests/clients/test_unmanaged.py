# SPDX-License-Identifier: Apache-2.0
"""Models that are served without the registry, by the unmodified tritonclient and from folders that mlflow wrote."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import threading

import mlflow
import numpy as np
import onnx
import pytest
import requests
import tiny_models
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from onnx import TensorProto, helper
from slipway_server import BINARY, ROOT, Server
from tritonclient.utils import InferenceServerException


def times(factor: float, name: str = "x", gives: str = "y") -> onnx.ModelProto:
    """x FP32 [N,1] -> y = factor * x."""
    graph = helper.make_graph(
        [helper.make_node("Mul", [name, "factor"], [gives])],
        "times",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1])],
        [helper.make_tensor_value_info(gives, TensorProto.FLOAT, ["N", 1])],
        [helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def put(folder: pathlib.Path, model: onnx.ModelProto, file: str = "model.onnx") -> None:
    """Appears whole, as a careful script would have it."""
    half = folder.parent / f".{folder.name}.half"
    half.mkdir(parents=True)
    (half / file).write_bytes(model.SerializeToString())
    half.rename(folder)


ENSEMBLE = """
platform: "ensemble"
max_batch_size: 64
input [ { name: "years" data_type: TYPE_FP32 dims: 1 }, { name: "money" data_type: TYPE_FP32 dims: 1 } ]
output [ { name: "p" data_type: TYPE_FP32 dims: 2 } ]
ensemble_scheduling {
  step [
    { model_name: "scale" model_version: -1
      input_map { key: "x" value: "years" } output_map { key: "y" value: "scaled" } },
    { model_name: "score" model_version: -1
      input_map { key: "age" value: "scaled" } input_map { key: "income" value: "money" }
      output_map { key: "probabilities" value: "p" } }
  ]
}
"""


PYTHON = {"prepare", "decide", "pipeline"}
PREPARE = """
class Prepare:
    inputs = {"raw": ("FP32", [-1, 2])}
    outputs = {"age": ("FP32", [-1, 1]), "income": ("FP32", [-1, 1])}

    def predict(self, inputs):
        raw = inputs["raw"]
        return {"age": raw[:, :1] / 10, "income": raw[:, 1:] / 10}
"""
DECIDE = """
class Decide:
    inputs = {"p": ("FP32", [-1, 2])}
    outputs = {"granted": ("BOOL", [-1])}

    def predict(self, inputs):
        return {"granted": inputs["p"][:, 1] > 0.5}
"""
PIPELINE = """
platform: "ensemble"
max_batch_size: 64
input { name: "raw" data_type: TYPE_FP32 dims: 2 }
output { name: "granted" data_type: TYPE_BOOL dims: [] }
ensemble_scheduling {
  step [
    { model_name: "decide" model_version: -1
      input_map { key: "p" value: "probability" } output_map { key: "granted" value: "granted" } },
    { model_name: "prepare" model_version: 1
      input_map { key: "raw" value: "raw" }
      output_map { key: "age" value: "a" } output_map { key: "income" value: "i" } },
    { model_name: "score" model_version: -1
      input_map { key: "age" value: "a" } input_map { key: "income" value: "i" }
      output_map { key: "probabilities" value: "probability" } }
  ]
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every layout in one folder of models."""
    models = tmp_path_factory.mktemp("models")
    (models / "scale").mkdir()
    put(models / "scale" / "1", times(2))
    (models / "score").mkdir()
    put(models / "score" / "1", tiny_models.logistic())
    (models / "score" / "config.pbtxt").write_text('backend: "onnxruntime"\nmax_batch_size: 64\n')
    (models / "whole" / "1").mkdir(parents=True)
    (models / "whole" / "config.pbtxt").write_text(ENSEMBLE)
    for name, code in (("prepare", PREPARE), ("decide", DECIDE)):
        (models / name / "1").mkdir(parents=True)
        (models / name / "1" / "model.py").write_text(code)
    (models / "pipeline" / "1").mkdir(parents=True)
    (models / "pipeline" / "config.pbtxt").write_text(PIPELINE)
    mlflow.onnx.save_model(tiny_models.logistic((3.0, 1.0)), models / "from_mlflow")
    (models / "numbered").mkdir()
    for number, factor in (("00000007", 7), ("00000123", 123)):
        put(models / "numbered" / number, times(factor))
    # As TensorFlow wrote it (tests/models/make_openvino_models.py).
    shutil.copytree(ROOT / "tests" / "data" / "models" / "saved_model", models / "from_tensorflow" / "00000042")
    (models / "bare.onnx").write_bytes(times(5).SerializeToString())
    return models


@pytest.fixture(scope="module")
def watching(tmp_path_factory, folder):
    server = Server(
        tmp_path_factory.mktemp("slipway"), "--models", str(folder), "--set", "repository.poll=100ms"
    ).start()
    yield server
    assert server.stop() == 0, server.log_tail()


def ask(server, model: str, value: float = 1.0, version: str = "") -> float:
    with triton_http.InferenceServerClient(server.http) as client:
        tensor = triton_http.InferInput("x", [1, 1], "FP32")
        tensor.set_data_from_numpy(np.array([[value]], np.float32))
        return float(client.infer(model, [tensor], model_version=version).as_numpy("y")[0, 0])


def columns(rows: np.ndarray, names=("age", "income")) -> list:
    tensors = []
    for i, name in enumerate(names):
        tensor = triton_http.InferInput(name, [len(rows), 1], "FP32")
        tensor.set_data_from_numpy(rows[:, i : i + 1])
        tensors.append(tensor)
    return tensors


def endpoints(server) -> dict:
    return {one["name"]: one for one in server.get("/api/v1/endpoints")["endpoints"]}


def test_every_layout_is_served_at_once_and_marked(watching):
    known = endpoints(watching)
    assert set(known) == {"scale", "score", "whole", "from_mlflow", "from_tensorflow", "numbered", "bare", *PYTHON}
    for one in known.values():
        assert one["managed"] is False
        assert {arm["name"] for arm in one["arms"]} == {"unmanaged"}
    assert watching.get("/api/v1/models")["models"] == []
    assert ask(watching, "bare", 2) == 10
    assert ask(watching, "numbered") == 123
    rows = tiny_models.rows(5)
    with triton_http.InferenceServerClient(watching.http) as client:
        answer = client.infer("from_mlflow", columns(rows))
        np.testing.assert_allclose(
            answer.as_numpy("probabilities")[:, 1], tiny_models.score(rows, (3.0, 1.0)), atol=1e-5
        )
        tensors = []
        for name, values in (("x", [1, 0.5, -1]), ("a", [10, 20, 30])):
            tensors.append(triton_http.InferInput(name, [1, 3], "FP32"))
            tensors[-1].set_data_from_numpy(np.array([values], np.float32))
        answer = client.infer("from_tensorflow", tensors)
        assert answer.get_response()["model_version"] == "42"
        np.testing.assert_allclose(answer.as_numpy("total").ravel(), [60.5], atol=1e-4)
    assert "false" in watching.cli("endpoints", "list")


def test_an_ensemble_of_a_folder_answers_as_its_steps_would(watching):
    rows = tiny_models.rows(40)
    scaled = rows * np.array([[2, 1]], np.float32)
    with triton_http.InferenceServerClient(watching.http) as client:
        metadata = client.get_model_metadata("whole")
        assert [one["name"] for one in metadata["inputs"]] == ["years", "money"]
        assert metadata["platform"] == "ensemble"
        answer = client.infer("whole", columns(rows, ("years", "money")))
        np.testing.assert_allclose(answer.as_numpy("p")[:, 1], tiny_models.score(scaled), atol=1e-5)
        with pytest.raises(InferenceServerException, match=r"years|money"):
            client.infer("whole", columns(rows, ("age", "money")))


def test_an_ensemble_goes_from_python_to_the_model_and_back(watching):
    rows = tiny_models.rows(20, seed=3)
    tensor = triton_http.InferInput("raw", [20, 2], "FP32")
    tensor.set_data_from_numpy(rows * 10)
    with triton_http.InferenceServerClient(watching.http) as client:
        granted = client.infer("pipeline", [tensor]).as_numpy("granted")
    np.testing.assert_array_equal(granted, tiny_models.score(rows) > 0.5)


def test_predictions_are_logged_as_unmanaged_and_watched_by_nobody(watching):
    with triton_http.InferenceServerClient(watching.http) as client:
        tensor = triton_http.InferInput("x", [1, 1], "FP32")
        tensor.set_data_from_numpy(np.array([[1]], np.float32))
        client.infer("bare", [tensor], request_id="mine")
    arm = watching.get("/api/v1/endpoints/bare")["arms"][0]
    assert arm["name"] == "unmanaged"
    assert arm["requests"] >= 1
    types = {event["type"] for event in watching.get("/api/v1/events", limit=1000)["events"]}
    assert "unmanaged.loaded" in types
    assert not types & {"endpoint.plan_changed", "version.stage_changed", "rollout.started", "window.judged"}


def test_a_new_version_takes_over_under_load_without_a_failed_request(watching, folder):
    (folder / "swapped").mkdir()
    put(folder / "swapped" / "1", times(1))
    watching.wait_for(lambda: "swapped" in endpoints(watching), 20, "the new folder")
    stop = threading.Event()
    failures: list[str] = []
    counts = [0, 0]

    def call(place: int) -> None:
        seen = 0.0
        try:
            with triton_http.InferenceServerClient(watching.http) as client:
                tensor = triton_http.InferInput("x", [1, 1], "FP32")
                tensor.set_data_from_numpy(np.array([[1]], np.float32))
                while not stop.is_set():
                    answer = client.infer("swapped", [tensor])
                    factor = float(answer.as_numpy("y")[0, 0])
                    version = answer.get_response()["model_version"]
                    if factor != float(version) or factor < seen:
                        failures.append(f"version {version} gave {factor} after {seen}")
                    seen = factor
                    counts[place] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, a request failed
            failures.append(repr(error))

    callers = [threading.Thread(target=call, args=(place,)) for place in range(2)]
    for caller in callers:
        caller.start()
    try:
        for number in range(2, 7):
            put(folder / "swapped" / str(number), times(number))
            watching.wait_for(lambda n=number: ask(watching, "swapped") == n, 20, f"version {number}")
        (folder / "swapped" / "7").mkdir()
        (folder / "swapped" / "7" / "model.onnx").write_bytes(b"half of a model")
        watching.wait_for(
            lambda: any(
                event["type"] == "unmanaged.load_failed"
                for event in watching.get("/api/v1/events", type_prefix="unmanaged.", limit=1000)["events"]
            ),
            20,
            "the broken version",
        )
        assert ask(watching, "swapped") == 6
    finally:
        stop.set()
        for caller in callers:
            caller.join(30)
    assert failures == []
    assert min(counts) > 20
    shutil.rmtree(folder / "swapped")
    watching.wait_for(lambda: "swapped" not in endpoints(watching), 20, "the folder's end")


def test_a_registered_endpoint_stands_before_an_unmanaged_model(server, registered_model):
    with triton_http.InferenceServerClient(server.http) as client, pytest.raises(InferenceServerException) as refused:
        client.load_model(registered_model, config="{}", files={"file:1/model.onnx": b"x"})
    assert "named 'tiny'" in str(refused.value)


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_a_model_comes_with_its_files_and_goes_again(server, kind):
    library, where = (triton_http, server.http) if kind == "http" else (triton_grpc, server.grpc)
    name = f"fresh_{kind}"
    with library.InferenceServerClient(where) as client:
        client.load_model(
            name,
            config=json.dumps({"backend": "onnxruntime", "max_batch_size": 8}),
            files={"file:1/model.onnx": times(9).SerializeToString()},
        )
        assert client.is_model_ready(name)
        assert ask(server, name, 2) == 18
        index = client.get_model_repository_index()
        entries = index if kind == "http" else [{"name": m.name, "state": m.state} for m in index.models]
        assert [one["state"] for one in entries if one["name"] == name] == ["READY"]
        with pytest.raises(InferenceServerException, match=r"file:\.\./x"):
            client.load_model("escape", config="{}", files={"file:../x": b"x"})
        with pytest.raises(InferenceServerException, match="max_bach_size"):
            client.load_model(name, config='{"max_bach_size": 1}', files={"file:1/model.onnx": b"x"})
        assert ask(server, name, 2) == 18
        client.unload_model(name)
        assert not client.is_model_ready(name)
    with pytest.raises(InferenceServerException):
        ask(server, name)


def test_an_ensemble_is_its_configuration_alone(server):
    config = {
        "platform": "ensemble",
        "max_batch_size": 8,
        "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [1]}],
        "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [1]}],
        "ensemble_scheduling": {
            "step": [
                {"model_name": "a", "model_version": -1, "input_map": {"x": "x"}, "output_map": {"y": "mid"}},
                {"model_name": "b", "model_version": -1, "input_map": {"x": "mid"}, "output_map": {"y": "y"}},
            ]
        },
    }
    with triton_http.InferenceServerClient(server.http) as client:
        for name, factor in (("a", 3), ("b", 4)):
            client.load_model(name, config="{}", files={"file:1/model.onnx": times(factor).SerializeToString()})
        client.load_model("chain", config=json.dumps(config))
        assert ask(server, "chain", 2) == 24
        with pytest.raises(InferenceServerException, match="chain"):
            client.unload_model("a")
        assert ask(server, "chain", 2) == 24
        client.unload_model("chain", unload_dependents=True)
        assert not client.is_model_ready("a")
        assert not client.is_model_ready("b")


def test_policy_forbids(tmp_path):
    server = Server(tmp_path / "data", "--set", "repository.unmanaged=refuse").start()
    try:
        with (
            triton_http.InferenceServerClient(server.http) as client,
            pytest.raises(InferenceServerException, match=r"repository\.unmanaged"),
        ):
            client.load_model("m", config="{}", files={"file:1/model.onnx": times(1).SerializeToString()})
        assert requests.get(f"{server.url}/v2/models/m", timeout=10).status_code == 404
    finally:
        assert server.stop() == 0
    (tmp_path / "models").mkdir()
    command = [str(BINARY), "serve", "--data", str(tmp_path / "data"), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
    done = subprocess.run(
        [*command, "--models", str(tmp_path / "models"), "--set", "repository.unmanaged=refuse"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "repository.models" in done.stderr
