# SPDX-License-Identifier: Apache-2.0
"""Registered versions that say themselves how they are to be run (config.pbtxt), and registered graphs of versions."""

from __future__ import annotations

import os
import pathlib
import queue
import textwrap

import mlflow
import numpy as np
import pytest
import requests
import tiny_models
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from mlflow import MlflowClient
from slipway_server import Server

ANSWER_S = 30
FORCED = {"force": True, "reason": "the test says what is right"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("version-config")
    options = [f"python.interpreter={os.environ['SLIPWAY_PYTHON']}", "inference.response_cache_mb=8"]
    running = Server(folder, *[part for one in options for part in ("--set", one)]).start()
    mlflow.set_tracking_uri(running.url)
    mlflow.set_registry_uri(running.url)
    yield running
    assert running.stop() == 0, running.log_tail()


def register(server: Server, name: str, files: dict[str, str | bytes], golden: dict | None = None) -> int:
    mlflow.set_experiment(name)
    with mlflow.start_run() as run:
        mlflow.log_params({"kind": "made by hand"})
        mlflow.log_metrics({"holdout_auc": 0.8, "training_duration_s": 0.25})
        mlflow.set_tag("git_sha", "0123456789abcdef0123456789abcdef01234567")
        frame = mlflow.data.from_numpy(tiny_models.rows(20), source="generated", name="rows")
        mlflow.log_input(frame, context="training")
        if golden:
            mlflow.log_dict(golden, "golden/golden.json")
        folder = pathlib.Path(server.data) / "to-register" / run.info.run_id
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        mlflow.log_artifacts(str(folder), "model")
    client = MlflowClient()
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    return int(client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id).version)


def promote(server: Server, name: str, version: int, **more) -> None:
    for stage in ("Staging", "Production"):
        server.post(f"/api/v1/models/{name}/versions/{version}/transition", {"to": stage, **more})
    server.wait_for(lambda: serves(server, name, version), 60, f"{name}/{version}")


def serves(server: Server, name: str, version: int) -> bool:
    endpoints = {one["name"]: one for one in server.get("/api/v1/endpoints")["endpoints"]}
    return name in endpoints and endpoints[name]["plan"]["arms"][0]["version"] == version


def transition(server: Server, name: str, version: int, **more) -> requests.Response:
    url = f"{server.url}/api/v1/models/{name}/versions/{version}/transition"
    return requests.post(url, json={"to": "Staging", **more}, timeout=60)


CONFIG = """
max_batch_size: 4
input [ { name: "age" data_type: TYPE_FP32 dims: 1 }, { name: "income" data_type: TYPE_FP32 dims: 1 } ]
output [ { name: "probabilities" data_type: TYPE_FP32 dims: 2 label_filename: "classes.txt" } ]
dynamic_batching { preferred_batch_size: [ 2, 4 ] priority_levels: 3 default_priority_level: 2 }
instance_group [ { count: 2 kind: KIND_CPU } ]
response_cache { enable: true }
default_model_filename: "scores.onnx"
"""


@pytest.fixture(scope="module")
def configured(server):
    other = tiny_models.logistic(weights=(5.0, 5.0)).SerializeToString()
    files = {
        "scores.onnx": tiny_models.logistic().SerializeToString(),
        "other.onnx": other,
        "classes.txt": "refused\ngranted\n",
        "config.pbtxt": CONFIG,
    }
    promote(server, "configured", register(server, "configured", files), **FORCED)
    return "configured"


def columns(library, rows: np.ndarray) -> list:
    inputs = []
    for i, name in enumerate(tiny_models.FEATURES):
        inputs.append(library.InferInput(name, [len(rows), 1], "FP32"))
        inputs[-1].set_data_from_numpy(np.ascontiguousarray(rows[:, i : i + 1]))
    return inputs


def test_what_a_version_says_of_itself_is_what_runs(server, configured):
    client = triton_http.InferenceServerClient(server.http)
    config = client.get_model_config(configured)
    assert config["max_batch_size"] == 4
    assert config["dynamic_batching"]["preferred_batch_size"] == [2, 4]
    assert config["dynamic_batching"]["priority_levels"] == 3
    assert sum(group["count"] for group in config["instance_group"]) == 2
    assert config["response_cache"]["enable"] is True

    rows = tiny_models.rows(10)  # more than the version's own batch: split, and joined again
    output = triton_http.InferRequestedOutput("probabilities")
    answer = client.infer(configured, columns(triton_http, rows), outputs=[output])
    np.testing.assert_allclose(answer.as_numpy("probabilities")[:, 1], tiny_models.score(rows), atol=1e-5)
    classes = triton_http.InferRequestedOutput("probabilities", class_count=1)
    best = client.infer(configured, columns(triton_http, rows[:1]), outputs=[classes]).as_numpy("probabilities")
    assert best[0, 0].decode().split(":")[2] in ("refused", "granted")


def test_a_prediction_says_whether_its_answer_was_remembered(server, configured):
    client = triton_grpc.InferenceServerClient(server.grpc)
    rows = tiny_models.rows(2, seed=77)
    answers = [client.infer(configured, columns(triton_grpc, rows), request_id=f"twice-{i}") for i in range(2)]
    np.testing.assert_array_equal(answers[0].as_numpy("probabilities"), answers[1].as_numpy("probabilities"))

    def logged() -> dict[str, bool]:
        page = server.get(f"/api/v1/predictions?endpoint={configured}&limit=100")["predictions"]
        return {one["request_id"]: one["cached"] for one in page if one["request_id"].startswith("twice")}

    server.wait_for(lambda: len(logged()) == 2, 30, "both predictions")
    assert logged() == {"twice-0": False, "twice-1": True}


@pytest.mark.parametrize(
    ("config", "field", "says"),
    [
        ("max_batch_size: -1", "config.pbtxt", "max_batch_size"),
        ("max_batch_sice: 1", "config.pbtxt:1:", "max_batch_sice"),
        ('name: "another"', "config.name", "the model is named"),
        ('input [ { name: "height" data_type: TYPE_FP32 dims: [ -1, 1 ] } ]', "config.input[0].name", "age, income"),
        ('default_model_filename: "gone.onnx"', "config.default_model_filename", "gone.onnx"),
        ('default_model_filename: "../x.onnx"', "config.default_model_filename", "in the version's folder"),
    ],
)  # fmt: skip
def test_a_configuration_that_does_not_fit_keeps_the_version_out(server, config, field, says):
    files = {"model.onnx": tiny_models.logistic().SerializeToString(), "config.pbtxt": config}
    version = register(server, "misconfigured", files)
    refused = transition(server, "misconfigured", version)
    assert refused.status_code >= 400
    assert field in refused.text
    assert says in refused.text


COUNTS = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            for request in requests:
                sender = request.get_response_sender()
                n = int(pb_utils.get_input_tensor_by_name(request, "N").as_numpy()[0])
                if n < 0:
                    error = pb_utils.TritonError("N is negative")
                    sender.send(pb_utils.InferenceResponse([], error))
                for i in range(n):
                    sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("I", np.array([i * i], np.int32))]))
                sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
DECOUPLED = """
backend: "python"
max_batch_size: 0
input [ { name: "N" data_type: TYPE_INT32 dims: 1 } ]
output [ { name: "I" data_type: TYPE_INT32 dims: 1 } ]
model_transaction_policy { decoupled: true }
"""


def test_a_decoupled_model_of_tritons_python_backend_streams_to_its_client(server):
    version = register(server, "counts", {"model.py": COUNTS, "config.pbtxt": DECOUPLED})
    promote(server, "counts", version, **FORCED)
    client = triton_grpc.InferenceServerClient(server.grpc)
    assert client.get_model_config("counts").config.model_transaction_policy.decoupled
    got: queue.Queue = queue.Queue()
    client.start_stream(callback=lambda result, error: got.put((result, error)))

    def ask(n: int, name: str) -> None:
        number = triton_grpc.InferInput("N", [1], "INT32").set_data_from_numpy(np.array([n], np.int32))
        client.async_stream_infer("counts", [number], request_id=name, enable_empty_final_response=True)

    ask(5, "five")
    ask(0, "none")
    values: dict[str, list[int]] = {"five": [], "none": []}
    over = set()
    while len(over) < 2:
        result, error = got.get(timeout=ANSWER_S)
        assert error is None, error
        response = result.get_response()
        if result.as_numpy("I") is not None:
            values[response.id] += result.as_numpy("I").tolist()
        if response.parameters["triton_final_response"].bool_param:
            over.add(response.id)
    assert values == {"five": [0, 1, 4, 9, 16], "none": []}
    ask(-1, "less")
    _, error = got.get(timeout=ANSWER_S)
    assert "N is negative" in str(error)
    client.stop_stream()


# The graph halves what comes in (weights of version `scale`), then asks the registered classifier.
HALVE = """
class Halve:
    inputs = {"raw": ("FP32", [-1, 2])}
    outputs = {"age": ("FP32", [-1, 1]), "income": ("FP32", [-1, 1])}

    def predict(self, inputs):
        return {"age": inputs["raw"][:, :1] / 2, "income": inputs["raw"][:, 1:] / 2}
"""


def graph(version: int) -> str:
    return f"""
        inputs: [{{name: raw, type: FP32, shape: [-1, 2]}}]
        outputs: [{{name: p, type: FP32, shape: [-1, 2]}}]
        steps:
          - {{model: halve, inputs: {{raw: raw}}, outputs: {{age: a, income: b}}}}
          - {{model: "judge/{version}", inputs: {{age: a, income: b}}, outputs: {{probabilities: p}}}}
    """


def golden_of(weights: tuple[float, float]) -> dict:
    rows = tiny_models.rows(16, seed=3)
    p = tiny_models.score(rows / 2, weights)
    return {
        "inputs": {"dataframe_split": {"columns": ["a", "b"], "data": rows.tolist()}},
        "outputs": {"p": np.column_stack([1 - p, p]).tolist()},
        "tolerance": {"absolute": 1e-5, "relative": 1e-5},
    }


def ask_graph(client, rows: np.ndarray):
    tensor = triton_http.InferInput("raw", list(rows.shape), "FP32").set_data_from_numpy(rows)
    return client.infer("pipeline", [tensor])


def test_a_graph_of_versions_goes_through_gates_canary_and_production(server):
    promote(server, "halve", register(server, "halve", {"model.py": HALVE}), **FORCED)
    weights = {1: (1.0, -1.0), 2: (2.0, 0.5)}
    for version, one in weights.items():
        model = tiny_models.logistic(one).SerializeToString()
        assert register(server, "judge", {"model.onnx": model}) == version

    wrong = register(server, "pipeline", {"ensemble.yaml": graph(1)}, golden_of((9.0, 9.0)))
    refused = transition(server, "pipeline", wrong)
    assert refused.status_code >= 400
    assert "golden_outputs" in refused.text
    first = register(server, "pipeline", {"ensemble.yaml": graph(1)}, golden_of(weights[1]))
    promote(server, "pipeline", first)
    client = triton_http.InferenceServerClient(server.http)
    rows = tiny_models.rows(50, seed=9)
    answer = ask_graph(client, rows)
    assert answer.get_response()["model_version"] == str(first)
    np.testing.assert_allclose(answer.as_numpy("p")[:, 1], tiny_models.score(rows / 2, weights[1]), atol=1e-5)

    second = register(server, "pipeline", {"ensemble.yaml": graph(2)}, golden_of(weights[2]))
    rollout = server.post(f"/api/v1/models/pipeline/versions/{second}/promote", {})["rollout"]
    seen = set()
    for i in range(400):
        one = rows[i % 50 : i % 50 + 1]
        answer = ask_graph(client, one)
        version = int(answer.get_response()["model_version"])
        seen.add(version)
        expected = tiny_models.score(one / 2, weights[1 if version == first else 2])
        np.testing.assert_allclose(answer.as_numpy("p")[:, 1], expected, atol=1e-5)
        if len(seen) == 2:
            break
    assert seen == {first, second}  # a share of the callers is on the candidate
    server.post(f"/api/v1/rollouts/{rollout['id']}/promote", {"reason": "it answers"})
    server.wait_for(lambda: serves(server, "pipeline", second), 30, "the second graph")

    def stage_of(version: int) -> str:
        return server.get(f"/api/v1/models/pipeline/versions/{version}")["stage"].lower()

    server.wait_for(lambda: stage_of(second) == "production", 30, "the second graph's stage")
    assert stage_of(first) == "archived"
    answer = ask_graph(client, rows)
    np.testing.assert_allclose(answer.as_numpy("p")[:, 1], tiny_models.score(rows / 2, weights[2]), atol=1e-5)
