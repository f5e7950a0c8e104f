# SPDX-License-Identifier: Apache-2.0
"""Models of other frameworks, run by OpenVINO, answer as their source does; and a GPU that is not there is said."""

from __future__ import annotations

import pathlib
import shutil

import frameworks
import numpy as np
import pytest
import tritonclient.http as triton_http
from slipway_server import ROOT, Server

DATA = ROOT / "tests" / "data" / "models"
HERE = pathlib.Path(__file__).parent


def put(folder: pathlib.Path, name: str, config: str, **files: str) -> None:
    (folder / name / "1").mkdir(parents=True)
    if config:
        (folder / name / "config.pbtxt").write_text(config)
    for source, target in files.items():
        shutil.copy(DATA / source.replace("__", "."), folder / name / "1" / target)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(3).random((5, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, rows):
    models = tmp_path_factory.mktemp("models")
    np.save(models / "rows.npy", rows)
    frameworks.run(HERE / "makes_tensorflow_models.py", str(models), str(models / "rows.npy"))
    put(models, "own", "", linear__xml="model.xml", linear__bin="model.bin")
    put(models, "paddle", "", scale__pdmodel="model.pdmodel")
    put(models, "chosen", 'backend: "openvino"\n', linear__onnx="model.onnx")
    put(models, "gpu", "instance_group [ { kind: KIND_GPU gpus: [ 0 ] } ]\n", linear__onnx="model.onnx")
    return models


@pytest.fixture(scope="module")
def server(tmp_path_factory, folder):
    running = Server(tmp_path_factory.mktemp("slipway"), "--models", str(folder)).start()
    yield running
    assert running.stop() == 0, running.log_tail()


def ask(server, model: str, value: np.ndarray) -> dict[str, np.ndarray]:
    """Every output of a model with one input."""
    with triton_http.InferenceServerClient(server.http) as client:
        described = client.get_model_metadata(model)
        tensor = triton_http.InferInput(described["inputs"][0]["name"], list(value.shape), "FP32")
        tensor.set_data_from_numpy(value)
        answer = client.infer(model, [tensor])
        return {output["name"]: answer.as_numpy(output["name"]) for output in described["outputs"]}


@pytest.mark.parametrize("model", ["saved", "lite"])
def test_tensorflows_models_answer_as_tensorflow_does(server, folder, rows, model):
    expected = np.load(folder / "expected.npz")
    answers = ask(server, model, rows)
    assert len(answers) == 2
    for answer in answers.values():
        name = "scores" if answer.shape[1] == 2 else "pooled"
        np.testing.assert_allclose(answer, expected[name], rtol=1e-4, atol=1e-5)
    if model == "saved":
        assert set(answers) == {"scores", "pooled"}


def test_openvinos_own_format_and_paddle(server):
    x = np.array([[1, 1, 1], [1, 0, 0]], np.float32)
    np.testing.assert_array_equal(ask(server, "own", x)["y"], x @ np.arange(6).reshape(3, 2))
    np.testing.assert_array_equal(ask(server, "paddle", x)["y"], 2 * x + 1)


def test_a_configuration_may_choose_it_for_onnx(server):
    assert ask(server, "chosen", np.ones((1, 3), np.float32))["y"].tolist() == [[6.5, 59.5]]


def test_a_gpu_that_is_not_there_is_said_and_the_cpu_answers(server):
    assert ask(server, "gpu", np.ones((1, 3), np.float32))["y"].tolist() == [[6.5, 59.5]]
    log = (server.data / "server.log").read_text()
    said = next(line for line in log.splitlines() if "the model runs on the CPU instead" in line)
    assert "cuda:0: " in said


def test_a_missing_device_can_be_a_refusal(tmp_path, folder):
    options = ["--models", str(folder), "--set", "onnx.device_fallback=refuse"]
    running = Server(tmp_path / "slipway", *options).start()
    try:
        names = {one["name"] for one in running.get("/api/v1/endpoints")["endpoints"]}
        assert "own" in names
        assert "gpu" not in names
        assert "onnx.device_fallback is refuse" in (running.data / "server.log").read_text()
    finally:
        running.stop()
