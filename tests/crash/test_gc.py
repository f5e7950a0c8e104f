# SPDX-License-Identifier: Apache-2.0
"""Retention and garbage collection: what goes, what never does, beside promotions and under kill -9."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import random
import threading

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from slipway_server import Server

AT_ONCE = ["--set", "retention.deleted_after=0s", "--set", "retention.orphan_after=0s"]


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "data", *AT_ONCE)
    yield server
    server.kill()


def client_of(server: Server) -> MlflowClient:
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    return MlflowClient()


def run_with_files(client: MlflowClient, size: int = 1000) -> str:
    run = client.create_run("0")
    client.log_text(run.info.run_id, "x" * size, "model/weights.txt")
    client.log_text(run.info.run_id, "flavors: {}", "model/MLmodel")
    client.log_metric(run.info.run_id, "auc", 0.5)
    return run.info.run_id


def version_of(client: MlflowClient, name: str, run: str) -> int:
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    return int(client.create_model_version(name, f"runs:/{run}/model", run).version)


def move(server: Server, name: str, version: int, to: str) -> requests.Response:
    return requests.post(
        f"{server.url}/api/v1/models/{name}/versions/{version}/transition",
        json={"to": to, "force": True, "reason": "a test"},
        timeout=60,
    )


def gc(server: Server, how: str) -> dict:
    return json.loads(server.cli("--json", "gc", how, "--reason", "spring"))


def subjects(items: list[dict]) -> set[str]:
    return {one["subject"] for one in items}


def test_what_was_deleted_goes_and_what_a_version_comes_from_stays(server):
    client = client_of(server.start())
    gone, source, live = (run_with_files(client) for _ in range(3))
    version = version_of(client, "fraud", source)
    client.delete_run(gone)
    client.delete_run(source)  # nobody serves the version, so it may be deleted; its lineage stays
    dry = gc(server, "--dry-run")
    assert subjects(dry["removed"]) == {f"run/{gone}"}
    assert dry["totals"]["run"] == {"count": 1, "files": 2, "size_bytes": 1011}
    assert {one["subject"]: one["why"] for one in dry["kept"]} == {
        f"run/{source}": "version 1 of model 'fraud' comes from it"
    }
    assert (server.data / f"artifacts/artifacts/0/{gone}/artifacts/model/weights.txt").exists()
    assert not server.get("/api/v1/audit", type_prefix="retention.")["events"]

    assert subjects(gc(server, "--apply")["removed"]) == {f"run/{gone}"}
    assert not (server.data / f"artifacts/artifacts/0/{gone}").exists()
    with pytest.raises(mlflow.exceptions.RestException, match="not found"):
        client.get_run(gone)
    assert client.get_run(source).data.metrics == {"auc": 0.5}
    assert (server.data / f"artifacts/artifacts/0/{live}/artifacts/model/weights.txt").exists()
    told = server.get("/api/v1/audit", type_prefix="retention.applied")["events"][0]
    assert told["data"]["totals"]["all"]["size_bytes"] == 1011
    assert told["data"]["reason"] == "spring"
    assert gc(server, "--apply")["removed"] == []

    client.delete_model_version("fraud", str(version))
    assert subjects(gc(server, "--apply")["removed"]) == {f"run/{source}"}


def test_files_without_an_owner_go_and_nothing_else(server, tmp_path):
    client = client_of(server.start())
    run = run_with_files(client)
    version_of(client, "fraud", run)
    rows = tmp_path / "rows.csv"
    rows.write_text("x,label\n1,0\n2,1\n")
    server.cli("holdouts", "add", "fraud", str(rows), "label")
    store = server.data / "artifacts"
    theirs = store / "artifacts/0/notes/readme.txt"  # nothing that was ever a run's
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"put there by a person")
    before = {path for path in store.rglob("*") if path.is_file()}
    strays = [
        "artifacts/0/0123456789abcdef0123456789abcdef/artifacts/lost.bin",
        "artifacts/0/models/m-0123456789abcdef0123456789abcdef/artifacts/lost.bin",
        "models/fraud/v9/lost.bin",
        "models/nobody/v1/lost.bin",
        "holdouts/fraud/00ff",
    ]
    for stray in strays:
        (store / stray).parent.mkdir(parents=True, exist_ok=True)
        (store / stray).write_bytes(b"12345")
    assert gc(server, "--dry-run")["totals"]["files"] == {"count": 5, "files": 5, "size_bytes": 25}
    assert gc(server, "--apply")["totals"]["files"]["size_bytes"] == 25
    assert {path for path in store.rglob("*") if path.is_file()} == before
    server.cli("registry", "verify")


def test_an_orphan_waits_until_it_was_seen_for_long_enough(tmp_path):
    server = Server(tmp_path / "data", "--set", "retention.orphan_after=1h").start()
    try:
        stray = server.data / "artifacts/models/nobody/v1/lost.bin"
        stray.parent.mkdir(parents=True)
        stray.write_bytes(b"x")
        for _ in range(2):
            report = gc(server, "--apply")
            assert report["removed"] == []
            assert "not for long enough" in report["kept"][0]["why"]
        assert stray.exists()
    finally:
        server.kill()


def test_archived_versions_go_by_policy_but_for_the_newest_and_the_named(tmp_path):
    server = Server(
        tmp_path / "data", "--set", "retention.archived_after=1ms", "--set", "retention.archived_keep=1"
    ).start()
    try:
        client = client_of(server)
        run = run_with_files(client)
        for _ in range(5):
            assert move(server, "fraud", version_of(client, "fraud", run), "Archived").status_code == 200
        client.set_registered_model_alias("fraud", "best", "2")
        assert move(server, "fraud", 3, "Production").status_code == 200
        removed = gc(server, "--apply")["removed"]
        assert subjects(removed) == {"model/fraud/version/1", "model/fraud/version/4"}
        assert {int(one.version) for one in client.search_model_versions("name='fraud'")} == {5, 3, 2}
        server.cli("registry", "verify")
    finally:
        server.kill()


def test_a_promotion_at_the_same_moment_wins_or_finds_the_version_gone(tmp_path):
    server = Server(
        tmp_path / "data", "--set", "retention.archived_after=1ms", "--set", "retention.archived_keep=0"
    ).start()
    try:
        client = client_of(server)
        run = run_with_files(client, 50)
        numbers = [version_of(client, "fraud", run) for _ in range(24)]
        for number in numbers:
            move(server, "fraud", number, "Archived")
        together = threading.Barrier(5)

        def promote(mine: list[int]) -> list[int]:
            together.wait()
            return [number for number in mine if move(server, "fraud", number, "Production").status_code == 200]

        def collect() -> list[dict]:
            together.wait()
            return gc(server, "--apply")["removed"]

        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            promotions = [pool.submit(promote, numbers[i::4]) for i in range(4)]
            removed = pool.submit(collect).result()
            promoted = {number for one in promotions for number in one.result()}
        gone = {int(one["subject"].rsplit("/", 1)[1]) for one in removed}
        left = {int(one.version): one.current_stage for one in client.search_model_versions("name='fraud'")}
        assert gone.isdisjoint(left)
        assert gone | set(left) == set(numbers)
        assert sum(stage == "Production" for stage in left.values()) == (1 if promoted else 0)
        server.cli("registry", "verify")
    finally:
        server.kill()


def test_a_kill_at_any_moment_loses_nothing_that_is_needed(server):
    client = client_of(server.start())
    live = [run_with_files(client, 100) for _ in range(3)]
    version_of(client, "fraud", live[0])
    deleted = [run_with_files(client, 100) for _ in range(25)]
    for run in deleted:
        client.delete_run(run)
    chance = random.Random(3)

    def collect() -> None:
        with contextlib.suppress(requests.RequestException):
            requests.post(f"{server.url}/api/v1/gc", json={"apply": True}, timeout=30)

    for _ in range(4):
        call = threading.Thread(target=collect)
        timer = threading.Timer(chance.uniform(0.001, 0.03), server.kill)
        call.start()
        timer.start()
        timer.join()
        call.join()
        server.start()
    gc(server, "--apply")
    client = client_of(server)
    kept = {run.info.run_id for run in client.search_runs(["0"], run_view_type=3)}
    assert kept == set(live)
    folders = {path.name for path in (server.data / "artifacts/artifacts/0").iterdir()}
    assert folders == set(live)
    for run in live:
        assert len(client.list_artifacts(run, "model")) == 2
    server.cli("registry", "verify")
    server.cli("audit", "verify")
