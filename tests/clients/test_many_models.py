# SPDX-License-Identifier: Apache-2.0
"""A thousand models in a folder, opened when they are asked for, within a budget of memory."""

from __future__ import annotations

import re

import numpy as np
import pytest
import requests
import tiny_models
import tritonclient.http as triton
from slipway_server import Server

MODELS = 1000
ASKED = 60
BUDGET_MB = 16  # a model takes about one
PINNED = 'parameters { key: "pinned" value { string_value: "true" } }\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Model i has the bias i / 100; the first one is pinned, the last one declares an input that it does not have."""
    folder = tmp_path_factory.mktemp("many")
    for i in range(MODELS):
        version = folder / "models" / f"m{i:04}" / "1"
        version.mkdir(parents=True)
        (version / "model.onnx").write_bytes(tiny_models.logistic(bias=i / 100).SerializeToString())
    (folder / "models/m0000/config.pbtxt").write_text(PINNED)
    wrong = 'input { name: "height" data_type: TYPE_FP32 dims: [1] }\n'
    (folder / f"models/m{MODELS - 1:04}/config.pbtxt").write_text(wrong)
    settings = {"SLIPWAY_INFERENCE_LOAD": "on_demand", "SLIPWAY_INFERENCE_MEMORY_BUDGET_MB": str(BUDGET_MB)}
    server = Server(folder / "data", "--models", str(folder / "models"), environment=settings).start()
    yield server
    assert server.stop() == 0


def metric(server: Server, name: str) -> float:
    text = requests.get(server.url + "/metrics", timeout=10).text
    return float(re.search(rf"^slipway_inference_{name} (\S+)$", text, re.MULTILINE).group(1))


def probability(client: triton.InferenceServerClient, model: str) -> float:
    inputs = [triton.InferInput(name, [1, 1], "FP32") for name in tiny_models.FEATURES]
    for one, value in zip(inputs, (1.0, 0.5), strict=True):
        one.set_data_from_numpy(np.array([[value]], np.float32))
    return float(client.infer(model, inputs).as_numpy("probabilities")[0, 1])


def test_each_is_opened_when_asked_and_makes_room_for_others(server):
    client = triton.InferenceServerClient(server.http)
    index = client.get_model_repository_index()
    assert sum(one["state"] == "READY" for one in index) == MODELS
    assert metric(server, "models_loaded") == 0, "none was opened at start"
    for i in [*range(ASKED), 0, 1]:
        expected = tiny_models.score(np.array([[1.0, 0.5]]), bias=i / 100)[0]
        assert abs(probability(client, f"m{i:04}") - expected) < 1e-5
    assert 0 < metric(server, "models_loaded") < ASKED
    assert metric(server, "models_evicted_total") > 0
    # What one takes is known once it is open.
    assert metric(server, "model_memory_bytes") < (BUDGET_MB + 2) << 20


def test_a_pinned_one_stays_open(server):
    client = triton.InferenceServerClient(server.http)
    probability(client, "m0000")
    opened = client.get_inference_statistics("m0000")["model_stats"][0]["inference_count"]
    for i in range(100, 100 + ASKED):
        probability(client, f"m{i:04}")
    evicted = metric(server, "models_evicted_total")
    probability(client, "m0000")
    assert metric(server, "models_evicted_total") == evicted, "it needed no room"
    assert client.get_inference_statistics("m0000")["model_stats"][0]["inference_count"] == opened + 1


def test_what_its_author_declared_is_held_against_it_when_it_opens(server):
    client = triton.InferenceServerClient(server.http)
    with pytest.raises(triton.InferenceServerException, match=r"height"):
        probability(client, f"m{MODELS - 1:04}")
    assert client.is_server_live()
