# SPDX-License-Identifier: Apache-2.0
"""What is answered from memory is never older than what was acknowledged: MLflow's client reads back each change of its
own, while other clients read the same all the time."""

from __future__ import annotations

import threading

import pytest
import requests
from mlflow import MlflowClient

CHANGES = 60


@pytest.fixture
def client(server):
    return MlflowClient(tracking_uri=server.url, registry_uri=server.url)


@pytest.fixture
def readers(server):
    """Starts threads that ask for a path until the test ends; gives what they saw, in each thread's order."""
    end = threading.Event()
    threads, seen = [], []

    def read(path: str, query: dict, mine: list):
        session = requests.Session()
        while not end.is_set():
            answer = session.get(f"{server.url}/api/2.0/mlflow/{path}", params=query, timeout=60)
            assert answer.status_code == 200
            if not mine or mine[-1] != answer.json():
                mine.append(answer.json())

    def start(path: str, query: dict, count: int = 3):
        for _ in range(count):
            seen.append([])
            threads.append(threading.Thread(target=read, args=(path, query, seen[-1])))
            threads[-1].start()
        return seen

    yield start
    end.set()
    for thread in threads:
        thread.join(60)


def test_a_run_read_after_a_change_shows_it(client, readers):
    run_id = client.create_run(client.create_experiment("fresh-runs")).info.run_id
    client.log_metric(run_id, "loss", 0, step=0)
    seen = readers("runs/get", {"run_id": run_id})
    for number in range(1, CHANGES):
        client.log_metric(run_id, "loss", number, step=number)
        assert client.get_run(run_id).data.metrics["loss"] == number
    client.set_tag(run_id, "colour", "red")
    assert client.get_run(run_id).data.tags["colour"] == "red"
    client.delete_tag(run_id, "colour")
    assert "colour" not in client.get_run(run_id).data.tags
    client.set_terminated(run_id)
    assert client.get_run(run_id).info.status == "FINISHED"
    client.delete_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    for mine in seen:
        values = [run["run"]["data"]["metrics"][0]["value"] for run in mine]
        assert values == sorted(values)


def test_an_alias_read_after_a_move_shows_it(client, readers):
    client.create_registered_model("fresh-model")
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "flavors: {}", "model/MLmodel")
    for _ in range(2):
        client.create_model_version("fresh-model", f"runs:/{run_id}/model", run_id)
    client.set_registered_model_alias("fresh-model", "champion", "1")
    readers("registered-models/alias", {"name": "fresh-model", "alias": "champion"})
    for number in range(CHANGES):
        version = str(number % 2 + 1)
        client.set_registered_model_alias("fresh-model", "champion", version)
        assert client.get_model_version_by_alias("fresh-model", "champion").version == version
        assert client.get_registered_model("fresh-model").aliases == {"champion": version}
    client.set_model_version_tag("fresh-model", "1", "checked", "yes")
    assert client.get_model_version("fresh-model", "1").tags == {"checked": "yes"}
    client.delete_registered_model_alias("fresh-model", "champion")
    answer = requests.get(
        f"{client.tracking_uri}/api/2.0/mlflow/registered-models/alias",
        params={"name": "fresh-model", "alias": "champion"},
        timeout=60,
    )
    assert answer.status_code == 400
