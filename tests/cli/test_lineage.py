# SPDX-License-Identifier: Apache-2.0
"""From a data set over run and version to the endpoint, and from an answer back to its data."""

from __future__ import annotations

import json
import subprocess

import pytest
import requests
import tiny_models
from slipway_server import BINARY, Server


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("lineage") / "data").start()
    for name in ("tiny", "other"):
        tiny_models.register(server.url, name)
    for stage in ("Staging", "Production"):
        server.post("/api/v1/models/tiny/versions/1/transition", {"to": stage, "reason": f"to {stage}"})
    server.wait_for(lambda: server.get("/api/v1/endpoints")["endpoints"], 30, "endpoint tiny")
    yield server
    server.stop()


def models(server: Server, **wanted) -> list[str]:
    return [line["model"] for line in server.get("/api/v1/lineage", **wanted)["lineage"]]


def test_from_the_data_set_to_what_answers_by_it(served):
    version = served.get("/api/v1/models/tiny/versions/1")
    wanted = version["metadata"]["dataset_hash"]
    assert wanted
    lines = served.get("/api/v1/lineage", dataset_hash=wanted)["lineage"]
    (line,) = [line for line in lines if line["model"] == "tiny"]
    assert (line["version"], line["run_id"], line["stage"]) == (1, version["run_id"], "Production")
    assert [(arm["endpoint"], arm["arm"], arm["weight"]) for arm in line["endpoints"]] == [("tiny", "stable", 1)]
    assert models(served, dataset_hash="of nothing") == []


def test_from_the_run_the_endpoint_and_an_answer_back(served):
    run = served.get("/api/v1/models/tiny/versions/1")["run_id"]
    assert models(served, run_id=run) == ["tiny"]
    assert models(served, endpoint="tiny") == ["tiny"]
    assert models(served, model="other", version=1) == ["other"]
    assert models(served, model="other", endpoint="tiny") == []
    answer = requests.post(f"{served.url}/predict/tiny", json={"age": 1, "income": 1}, timeout=30)
    (prediction,) = served.get("/api/v1/predictions", endpoint="tiny")["predictions"]
    assert answer.status_code == 200
    (line,) = served.get("/api/v1/lineage", prediction=prediction["id"])["lineage"]
    assert (line["model"], line["version"], line["run_id"]) == ("tiny", 1, run)
    followed = requests.get(served.url + line["predictions"], timeout=30).json()["predictions"]
    assert [one["id"] for one in followed] == [prediction["id"]]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({"version": "1"}, 400, "model"),
        ({"model": "tiny", "version": "first"}, 400, "version"),
        ({"prediction": "x", "model": "tiny"}, 400, "prediction"),
        ({"limit": "0"}, 400, "limit"),
        ({"prediction": "nobody"}, 400, "prediction"),
        ({"prediction": "01J00000000000000000000000"}, 404, None),
    ],
)
def test_what_cannot_be_followed_is_refused(served, query, status, field):
    answer = requests.get(f"{served.url}/api/v1/lineage", params=query, timeout=30)
    assert answer.status_code == status, answer.text
    if field:
        assert answer.json()["error"]["field"] == field


def test_the_command_line_shows_it(served):
    done = subprocess.run(
        [str(BINARY), "--server", served.url, "--json", "lineage", "--model", "tiny"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert [line["model"] for line in json.loads(done.stdout)["lineage"]] == ["tiny"]
