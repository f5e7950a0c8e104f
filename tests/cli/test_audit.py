# SPDX-License-Identifier: Apache-2.0
"""The audit log and the bytes of versions, attacked behind the server's back."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess

import mlflow
import pytest
import requests
import tiny_models
from mlflow import MlflowClient
from slipway_server import BINARY, Server


@pytest.fixture
def served(tmp_path):
    server = Server(tmp_path / "data").start()
    tiny_models.register(server.url, "tiny")
    for stage in ("Staging", "Production"):
        server.post("/api/v1/models/tiny/versions/1/transition", {"to": stage, "reason": f"to {stage}"})
    server.wait_for(lambda: server.get("/api/v1/endpoints")["endpoints"], 30, "endpoint tiny")
    yield server
    server.kill()


def sql(server: Server, *statements: str) -> None:
    """As somebody with a shell on the machine would."""
    with sqlite3.connect(server.data / "slipway.db", timeout=30) as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def verify_fails(server: Server, *arguments: str) -> str:
    done = subprocess.run(
        [str(BINARY), "--server", server.url, "audit", "verify", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr


def event_of(server: Server, type_prefix: str) -> dict:
    return server.get("/api/v1/audit", type_prefix=type_prefix, order="oldest")["events"][0]


def test_who_when_what_why_and_from_where_is_listed_by_filters(served):
    requests.post(
        f"{served.url}/api/2.0/mlflow/model-versions/set-tag",
        json={"name": "tiny", "version": "1", "key": "checked", "value": "yes"},
        headers={"X-Slipway-Actor": "ada", "X-Slipway-Reason": "audit of March"},
        timeout=30,
    ).raise_for_status()
    listed = served.cli("audit", "list", "--actor", "ada")
    for part in ("version.tag_set", "model/tiny/version/1", "http 127.0.0.1:", "audit of March"):
        assert part in listed
    assert "version.stage_changed" not in listed
    assert "to Production" in served.cli("audit", "list", "--type-prefix", "version.stage_changed")
    assert served.get("/api/v1/audit", until="2020-01-01T00:00:00Z")["events"] == []


def test_a_changed_row_is_found_and_named(served):
    victim = event_of(served, "version.stage_changed")["sequence"]
    sql(served, f"UPDATE events SET actor = 'somebody else' WHERE sequence = {victim}")
    assert f"event {victim} was changed" in verify_fails(served)


def test_a_removed_row_is_found_and_named(served):
    victim = event_of(served, "version.stage_changed")["sequence"]
    sql(served, f"DELETE FROM events WHERE sequence = {victim}")
    assert f"event {victim} is missing" in verify_fails(served)


def test_rows_that_changed_places_are_found_and_named(served):
    sql(
        served,
        "UPDATE events SET sequence = -1 WHERE sequence = 3",
        "UPDATE events SET sequence = 3 WHERE sequence = 5",
        "UPDATE events SET sequence = 5 WHERE sequence = -1",
    )
    assert "event 3 was moved: it stands as event 5" in verify_fails(served)


def test_a_log_that_was_cut_off_or_written_anew_is_found(served):
    head = json.loads(served.cli("audit", "verify"))
    served.cli("audit", "verify", "--sequence", str(head["events"]), "--hash", head["hash"])
    wrong = verify_fails(served, "--sequence", str(head["events"]), "--hash", "0" * 64)
    assert "has another hash than was noted" in wrong
    sql(served, f"DELETE FROM events WHERE sequence > {head['events'] - 2}")
    assert f"event {head['events'] - 1} is missing" in verify_fails(served)


def test_the_chain_holds_through_kill_9(served):
    before = json.loads(served.cli("audit", "verify"))
    for _ in range(3):
        served.kill()
        served.start()
    after = json.loads(served.cli("audit", "verify", "--sequence", str(before["events"]), "--hash", before["hash"]))
    assert after["events"] >= before["events"]


def version_file(server: Server, path: str = "model.onnx"):
    return server.data / "artifacts" / "models" / "tiny" / "v1" / path


def test_no_api_changes_adds_to_or_removes_a_ready_versions_bytes(served):
    before = version_file(served).read_bytes()
    base = f"{served.url}/api/2.0/mlflow-artifacts/artifacts"
    for path in (
        "models/tiny/v1/model.onnx",
        "models/tiny/v1/new.txt",
        "/models/tiny/v1/model.onnx",
        "models//tiny/v1/model.onnx",
        "x/../models/tiny/v1/model.onnx",
        "%2e%2e/models/tiny/v1/model.onnx",
    ):
        assert requests.put(f"{base}/{path}", data=b"evil", timeout=30).status_code >= 400, path
        assert requests.delete(f"{base}/{path}", timeout=30).status_code >= 400, path
    # The run and the logged model that it was made from may be logged to again: the version keeps its bytes.
    version = MlflowClient(served.url).get_model_version("tiny", "1")
    with mlflow.start_run(run_id=version.run_id):
        mlflow.log_text("evil", "model/model.onnx")
    assert version_file(served).read_bytes() == before
    assert not version_file(served, "new.txt").exists()
    assert json.loads(served.cli("registry", "verify"))["intact"] is True


def test_damaged_bytes_are_found_refused_and_told(served):
    shown = served.get("/api/v1/models/tiny/versions/1")
    path = "/api/v1/models/tiny/versions/1/files/model.onnx"
    sent = requests.get(served.url + path, params={"verify": "true"}, timeout=30)
    assert hashlib.sha256(sent.content).hexdigest() == next(
        file["sha256"] for file in shown["files"] if file["path"] == "model.onnx"
    )
    file = version_file(served)
    good = file.read_bytes()
    file.chmod(0o640)
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    refused = requests.get(served.url + path, params={"verify": "true"}, timeout=30)
    assert refused.status_code >= 500
    assert refused.json()["error"]["reason"] == "file_differs"
    report = json.loads(served.cli("registry", "verify", "--model", "tiny", expect=1))
    assert [d["path"] for d in report["damage"]] == ["model.onnx"]
    assert "SHA-256" in report["damage"][0]["difference"]
    assert event_of(served, "version.damaged")["subject"] == "model/tiny/version/1"
    version_file(served, "MLmodel").unlink()
    report = json.loads(served.cli("registry", "verify", expect=1))
    assert {d["path"]: d["difference"] for d in report["damage"]}["MLmodel"] == "is missing"
    served.post("/api/v1/models/tiny/versions/1/transition", {"to": "Archived"})
    refusal = served.post("/api/v1/models/tiny/versions/1/transition", {"to": "Production"}, expect=400)
    assert "model.onnx" in refusal["error"]["message"]
    assert "MLmodel" in refusal["error"]["message"]


def test_damage_is_found_by_the_scrub_in_the_background(tmp_path):
    server = Server(tmp_path / "data", "--set", "registry.scrub_interval=50ms").start()
    try:
        tiny_models.register(server.url, "tiny")
        version_file(server).unlink()
        server.wait_for(lambda: server.get("/api/v1/registry/damage")["damage"], 30, "the scrub to find it")
        assert event_of(server, "version.damaged")["data"]["files"] == [
            {"path": "model.onnx", "difference": "is missing"}
        ]
    finally:
        server.kill()


def test_what_is_in_use_is_not_deleted(served):
    client = MlflowClient(served.url)
    version = client.get_model_version("tiny", "1")
    with pytest.raises(mlflow.MlflowException, match="in Production"):
        client.delete_model_version("tiny", "1")
    with pytest.raises(mlflow.MlflowException, match="in Production"):
        client.delete_registered_model("tiny")
    with pytest.raises(mlflow.MlflowException, match="version 1 of model 'tiny'"):
        client.delete_run(version.run_id)
    with pytest.raises(mlflow.MlflowException, match="version 1 of model 'tiny'"):
        client.delete_logged_model(client.get_run(version.run_id).outputs.model_outputs[0].model_id)
    # Archived, but its endpoint still answers with it.
    served.post("/api/v1/models/tiny/versions/1/transition", {"to": "Archived"})
    with pytest.raises(mlflow.MlflowException, match="served by endpoint 'tiny'"):
        client.delete_model_version("tiny", "1")
    with pytest.raises(mlflow.MlflowException, match="served by endpoint 'tiny'"):
        client.delete_run(version.run_id)
    unused = tiny_models.register(served.url, "tiny")
    client.set_registered_model_alias("tiny", "champion", str(unused))
    with pytest.raises(mlflow.MlflowException, match="champion"):
        client.delete_model_version("tiny", str(unused))
    client.delete_registered_model_alias("tiny", "champion")
    client.delete_model_version("tiny", str(unused))
    assert tiny_models.register(served.url, "tiny") == unused + 1, "numbers are never given again"
