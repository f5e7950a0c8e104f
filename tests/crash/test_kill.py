# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of traffic and of registry changes: what was acknowledged is there, nothing is half-done."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest
import requests
import tiny_models
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from slipway_server import Server

KILLS = 20


class Acknowledged:
    """What callers were told, gathered by threads that call until the server is gone."""

    def __init__(self, server: Server):
        self.server = server
        self.predictions: list[str] = []
        self.labels: dict[str, int] = {}
        self.tags: dict[str, str] = {}
        self.stage_moves = 0
        self.stop = threading.Event()

    def run(self, delay_s: float) -> None:
        workers = [
            threading.Thread(target=self._until_gone, args=(work,)) for work in (self._http, self._grpc, self._registry)
        ]
        for worker in workers:
            worker.start()
        self.stop.wait(delay_s)
        self.server.kill()
        self.stop.set()
        for worker in workers:
            worker.join(timeout=60)
            assert not worker.is_alive()

    def _until_gone(self, work) -> None:
        try:
            for step in work():
                if self.stop.is_set():
                    return
                step()
        except Exception:  # noqa: BLE001 - each client has its own errors
            # The server was killed under a call: that call was not acknowledged.
            return

    def _inputs(self, make):
        table = tiny_models.rows(1, seed=random.randrange(1 << 30))
        inputs = []
        for i, name in enumerate(tiny_models.FEATURES):
            tensor = make(name, [1, 1], "FP32")
            tensor.set_data_from_numpy(np.ascontiguousarray(table[:, i : i + 1]))
            inputs.append(tensor)
        return inputs

    def _http(self):
        client = triton_http.InferenceServerClient(self.server.http)

        def step():
            answer = client.infer("tiny", self._inputs(triton_http.InferInput))
            prediction = answer.get_response()["parameters"]["prediction_id"]
            self.predictions.append(prediction)
            if len(self.predictions) % 5 == 0:
                label = {"prediction_id": prediction, "value": len(self.predictions) % 2}
                done = requests.post(
                    f"{self.server.url}/api/v1/labels", json={"endpoint": "tiny", "labels": [label]}, timeout=30
                )
                done.raise_for_status()
                self.labels[prediction] = label["value"]

        while True:
            yield step

    def _grpc(self):
        client = triton_grpc.InferenceServerClient(self.server.grpc)

        def step():
            answer = client.infer("tiny", self._inputs(triton_grpc.InferInput), client_timeout=30)
            self.predictions.append(answer.get_response().parameters["prediction_id"].string_param)

        while True:
            yield step

    def _registry(self):
        count = 0

        def tag():
            nonlocal count
            count += 1
            key, value = f"k{random.randrange(50)}", str(count)
            body = {"name": "tiny", "version": "2", "key": key, "value": value}
            done = requests.post(f"{self.server.url}/api/2.0/mlflow/model-versions/set-tag", json=body, timeout=30)
            done.raise_for_status()
            self.tags[key] = value

        def move():
            to = "Staging" if self.stage_moves % 2 == 0 else "None"
            path = "/api/v1/models/tiny/versions/2/transition"
            done = requests.post(self.server.url + path, json={"to": to}, timeout=30)
            done.raise_for_status()
            self.stage_moves += 1

        while True:
            yield tag
            yield move


@pytest.fixture
def serving(tmp_path):
    server = Server(tmp_path / "data").start()
    try:
        tiny_models.register(server.url, "tiny")
        server.post("/api/v1/models/tiny/versions/1/transition", {"to": "Staging"})
        server.post("/api/v1/models/tiny/versions/1/transition", {"to": "Production"})
        tiny_models.register(server.url, "tiny", weights=(0.5, -0.5))
        server.wait_for(lambda: server.get("/api/v1/endpoints")["endpoints"], 30, "endpoint tiny")
        yield server
    finally:
        server.kill()


def check_nothing_is_half_done(server: Server) -> None:
    model = server.get("/api/v1/models/tiny")
    assert [v["version"] for v in model["versions"]] == [1, 2]
    assert [v["stage"] for v in model["versions"]].count("Production") == 1
    assert all(v["status"] == "READY" for v in model["versions"])
    plan = server.get("/api/v1/endpoints/tiny")["plan"]
    assert sum(arm["weight"] for arm in plan["arms"]) == 1
    # Every change has its event, in one unbroken chain.
    assert server.post("/api/v1/audit/verify")["intact"] is True


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(serving):
    random.seed(20130101)
    predictions: set[str] = set()
    labels: dict[str, int] = {}
    tags: dict[str, str] = {}
    for _ in range(KILLS):
        acknowledged = Acknowledged(serving)
        acknowledged.run(random.uniform(0.05, 0.6))
        serving.start()
        predictions |= set(acknowledged.predictions)
        labels |= acknowledged.labels
        tags |= acknowledged.tags
        version = serving.get("/api/v1/models/tiny/versions/2")
        # The last tag may have been written without its answer getting out: an acknowledged one is there or newer.
        for key, value in acknowledged.tags.items():
            assert int(version["tags"][key]) >= int(value)
        check_nothing_is_half_done(serving)
        for prediction in random.sample(acknowledged.predictions, min(20, len(acknowledged.predictions))):
            logged = serving.get(f"/api/v1/predictions/{prediction}")
            assert logged["status"] == "OK"
            assert set(logged["inputs"]) == set(tiny_models.FEATURES)

    logged: dict[str, dict] = {}
    token = ""
    while True:
        page = serving.get(
            "/api/v1/predictions", endpoint="tiny", limit=1000, **({"page_token": token} if token else {})
        )
        for prediction in page["predictions"]:
            assert prediction["id"] not in logged, "logged twice"
            logged[prediction["id"]] = prediction
        token = page.get("next_page_token", "")
        if not token:
            break
    assert len(predictions) > KILLS, "the kills came before any traffic"
    assert predictions <= set(logged)
    for prediction, value in labels.items():
        assert logged[prediction]["label"]["value"] == value
    assert tags, "no registry change was acknowledged"
