# SPDX-License-Identifier: Apache-2.0
"""Promotions by many at once and through kill -9: one production version, always, and a log that says how."""

from __future__ import annotations

import concurrent.futures
import random
import threading

import pytest
import requests
import tiny_models
from mlflow import MlflowClient
from slipway_server import Server

VERSIONS = 5
KILLS = 8


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "data").start()
    try:
        tiny_models.register(running.url, "tiny")
        client = MlflowClient(running.url)
        first = client.get_model_version("tiny", "1")
        for _ in range(VERSIONS - 1):
            client.create_model_version("tiny", first.source, first.run_id)
        yield running
    finally:
        running.kill()


def promote(server: Server, version: int, actor: str = "anonymous") -> requests.Response:
    return requests.post(
        f"{server.url}/api/v1/models/tiny/versions/{version}/transition",
        json={"to": "Production", "reason": f"promotion of {version}"},
        headers={"X-Slipway-Actor": actor},
        timeout=300,
    )


def stages_by_the_log(server: Server) -> dict[int, str]:
    """What the events alone say each version's stage is."""
    stages: dict[int, str] = {}
    after = 0
    while events := server.get("/api/v1/audit", order="oldest", after=after, limit=1000)["events"]:
        for event in events:
            if event["type"] == "version.stage_changed":
                stages[int(event["subject"].rsplit("/", 1)[1])] = event["data"]["to"]
        after = events[-1]["sequence"]
    return stages


def check(server: Server) -> None:
    versions = server.get("/api/v1/models/tiny")["versions"]
    stages = {version["version"]: version["stage"] for version in versions}
    assert list(stages.values()).count("Production") <= 1, stages
    logged = stages_by_the_log(server)
    assert {number: stage for number, stage in stages.items() if stage != "None"} == logged
    assert server.post("/api/v1/audit/verify")["intact"] is True


@pytest.mark.timeout(600)
def test_100_promotions_at_once_leave_exactly_one_production_version(server):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda i: promote(server, 1 + i % VERSIONS), range(100)))
    assert {answer.status_code for answer in answers} == {200}, [a.text for a in answers if a.status_code != 200][:3]
    check(server)
    versions = server.get("/api/v1/models/tiny")["versions"]
    assert [version["stage"] for version in versions].count("Production") == 1


@pytest.mark.timeout(600)
def test_a_kill_under_promotions_leaves_the_old_state_or_the_new(server):
    random.seed(20130101)
    assert promote(server, 1).status_code == 200
    promoted = 0
    for _ in range(KILLS):
        stop = threading.Event()
        acknowledged: list[int] = []

        def keep_promoting(stop=stop, acknowledged=acknowledged) -> None:
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    if promote(server, 1 + number % VERSIONS).status_code == 200:
                        acknowledged.append(1 + number % VERSIONS)
                except requests.RequestException:
                    return

        worker = threading.Thread(target=keep_promoting)
        worker.start()
        stop.wait(random.uniform(0.1, 0.6))
        server.kill()
        stop.set()
        worker.join(timeout=60)
        assert not worker.is_alive()
        server.start()
        check(server)
        versions = server.get("/api/v1/models/tiny")["versions"]
        production = [version["version"] for version in versions if version["stage"] == "Production"]
        assert len(production) == 1
        # What was acknowledged holds, or the one promotion that was under way came after it.
        if acknowledged:
            assert production[0] in (acknowledged[-1], 1 + acknowledged[-1] % VERSIONS)
        promoted += len(acknowledged)
    assert promoted > 0
