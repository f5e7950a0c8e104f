# SPDX-License-Identifier: Apache-2.0
"""Limits by caller, loading on demand, tuning, and swaps under load, as people with HTTP and a shell see them."""

from __future__ import annotations

import threading

import pytest
import requests
import tiny_models
from slipway_server import Server

INFER = "/v2/models/tiny/infer"
BODY = {
    "inputs": [
        {"name": "age", "shape": [1, 1], "datatype": "FP32", "data": [1.0]},
        {"name": "income", "shape": [1, 1], "datatype": "FP32", "data": [0.5]},
    ]
}


def to_production(server: Server, version: int) -> None:
    server.post(f"/api/v1/models/tiny/versions/{version}/transition", {"to": "Staging"})
    server.post(f"/api/v1/models/tiny/versions/{version}/transition", {"to": "Production"})
    server.wait_for(
        lambda: any(e["name"] == "tiny" for e in server.get("/api/v1/endpoints")["endpoints"]), 30, "endpoint tiny"
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder with one version of `tiny` in production; its server has stopped."""
    folder = tmp_path_factory.mktemp("scheduling")
    server = Server(folder).start()
    to_production(server, tiny_models.register(server.url, "tiny"))
    assert server.stop() == 0
    return folder


def ask(server: Server, caller: str = "") -> requests.Response:
    return requests.post(server.url + INFER, json=BODY, headers={"slipway-caller": caller}, timeout=30)


def test_a_caller_past_its_rate_is_told_when_to_come_again(data):
    limits = {"SLIPWAY_SERVING_RATE_LIMITS": "endpoint=tiny per=caller rate=0.1 burst=2"}
    server = Server(data, environment=limits).start()
    try:
        assert [ask(server, "ann").status_code for _ in range(3)] == [200, 200, 429]
        refused = ask(server, "ann")
        assert 1 <= int(refused.headers["Retry-After"]) <= 10
        assert "rate_limits" in refused.json()["error"]
        assert ask(server, "bob").status_code == 200
    finally:
        assert server.stop() == 0


def test_a_limit_that_cannot_be_read_keeps_the_server_from_starting(data):
    server = Server(data, environment={"SLIPWAY_SERVING_RATE_LIMITS": "speed=3"})
    with pytest.raises(RuntimeError, match=r"serving\.rate_limits"):
        server.start()


def test_on_demand_a_model_is_opened_when_it_is_first_asked(data):
    options = {"SLIPWAY_INFERENCE_LOAD": "on_demand", "SLIPWAY_INFERENCE_MEMORY_BUDGET_MB": "100"}
    server = Server(data, environment=options).start()
    try:
        loaded = "slipway_inference_models_loaded "
        assert f"{loaded}0" in requests.get(server.url + "/metrics", timeout=10).text
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.append(ask(server).status_code)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 8
        assert requests.get(server.url + "/v2/models/tiny", timeout=10).json()["inputs"][0]["name"] == "age"
    finally:
        assert server.stop() == 0


def test_tune_shows_what_it_tried_keeps_the_best_and_runs_by_it(data):
    server = Server(data).start()
    tune = server.url + "/api/v1/endpoints/tiny/tune"
    try:
        assert requests.get(tune, timeout=10).json()["error"]["reason"] == "never_tuned"
        assert ask(server).status_code == 200
        stop, failed = threading.Event(), []

        def callers() -> None:
            while not stop.is_set():
                answer = ask(server)
                if answer.status_code != 200:
                    failed.append(answer.text)

        caller = threading.Thread(target=callers)
        caller.start()
        try:
            table = server.cli("tune", "tiny", "--latency-ms", "100")
        finally:
            stop.set()
            caller.join()
        assert "INSTANCES" in table
        assert "true" in table
        assert failed == [], "the version took over from itself"
        version = server.get("/api/v1/models/tiny/versions/1")
        assert "batch_rows" in version["tags"]["slipway.scheduling"]
        assert any(e["type"] == "version.tuned" for e in server.get("/api/v1/events")["events"])
        run = server.get("/api/v1/endpoints/tiny/tune")
        assert (run["state"], run["used"], run["done"]) == ("done", "now", run["total"])
        best = next(one for one in run["trials"] if one["best"])
        config = requests.get(server.url + "/v2/models/tiny/config", timeout=10).json()
        assert config["instance_group"][0]["count"] == best["instances"], "at once"
        refused = requests.post(tune, json={"latency_ms": -1}, timeout=10)
        assert refused.status_code == 400
        assert refused.json()["error"]["field"] == "latency_ms"
    finally:
        assert server.stop() == 0
    server.start()
    try:
        assert ask(server).status_code == 200, "the tag is used"
    finally:
        assert server.stop() == 0


def test_swaps_under_load_fail_nobody(data):
    server = Server(data).start()
    stop = threading.Event()
    wrong: list[str] = []
    answered = [0]

    def call() -> None:
        session = requests.Session()
        while not stop.is_set():
            answer = session.post(server.url + INFER, json=BODY, timeout=30)
            if answer.status_code != 200:
                wrong.append(answer.text)
            answered[0] += 1

    try:
        second = tiny_models.register(server.url, "tiny", bias=0.25)
        server.post(f"/api/v1/models/tiny/versions/{second}/transition", {"to": "Staging"})
        callers = [threading.Thread(target=call) for _ in range(4)]
        for caller in callers:
            caller.start()
        promoted = server.post(f"/api/v1/models/tiny/versions/{second}/promote", {"force": True, "reason": "swap"})
        server.post(f"/api/v1/rollouts/{promoted['rollout']['id']}/promote", {"reason": "swap"})
        for _ in range(20):
            server.post("/api/v1/endpoints/tiny/rollback", {"reason": "swap"})
        stop.set()
        for caller in callers:
            caller.join()
        assert wrong == []
        assert answered[0] > 0
    finally:
        stop.set()
        assert server.stop() == 0


def test_a_tuning_can_be_cancelled_and_two_do_not_run_at_once(data):
    server = Server(data).start()
    tune = server.url + "/api/v1/endpoints/tiny/tune"
    kept = "slipway.scheduling"
    try:
        before = server.get("/api/v1/models/tiny/versions/1")["tags"].get(kept)
        begun = requests.post(tune, json={}, timeout=10).json()
        assert (begun["state"], begun["id"]) == ("running", 1)
        again = requests.post(tune, json={}, timeout=10)
        assert (again.status_code, again.json()["error"]["reason"]) == (429, "tuning")
        assert requests.delete(tune, timeout=10).status_code == 200
        ended = server.wait_for(
            lambda: (now := server.get("/api/v1/endpoints/tiny/tune"))["state"] != "running" and now, 20, "the end"
        )
        assert ended["state"] == "cancelled"
        assert server.get("/api/v1/models/tiny/versions/1")["tags"].get(kept) == before
        assert server.cli("tuning", "show", "tiny").count("cancelled") >= 1
    finally:
        assert server.stop() == 0
