# SPDX-License-Identifier: Apache-2.0
"""The command line as a person types it, against a real server."""

from __future__ import annotations

import json
import subprocess
import threading
import time

import pytest
import requests
import tiny_models
from slipway_server import BINARY, Server


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(BINARY), *arguments], capture_output=True, text=True, timeout=60, check=False)


def ask(server: Server, rows: int = 1) -> str:
    """One request; its prediction id."""
    data = tiny_models.rows(rows).tolist()
    body = {"dataframe_split": {"columns": tiny_models.FEATURES, "data": data}}
    answer = requests.post(f"{server.url}/endpoints/tiny/invocations", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.headers["slipway-prediction-id"]


def test_models_versions_and_their_gates(server, registered_model):
    assert registered_model in server.cli("models", "list")
    assert "Production" in server.cli("models", "show", "tiny")
    shown = json.loads(server.cli("versions", "show", "tiny", "1"))
    assert {file["path"] for file in shown["files"]} >= {"golden/golden.json", "model.onnx"}
    gates = server.cli("versions", "gates", "tiny", "1", "Production")
    for gate in ("required_metadata", "artifact_integrity", "model_loads", "golden_outputs"):
        assert gate in gates
    assert "fail" not in gates


def test_a_refused_version_says_what_is_missing(server, registered_model):
    version = tiny_models.register(server.url, registered_model, dataset=False)
    server.cli("versions", "transition", "tiny", str(version), "Staging", expect=1)
    gates = server.cli("versions", "gates", "tiny", str(version), "Staging")
    assert "dataset_hash is missing" in gates
    wrong = tiny_models.register(server.url, registered_model, golden_weights=(2.0, 2.0))
    gates = server.cli("versions", "gates", "tiny", str(wrong), "Staging")
    assert "golden_outputs" in gates
    assert "probabilities" in gates


def test_predictions_are_listed_found_counted_and_labelled(server, registered_model, tmp_path):
    prediction = ask(server)
    found = json.loads(server.cli("predictions", "get", prediction))
    assert found["endpoint"] == registered_model
    assert set(found["inputs"]) == set(tiny_models.FEATURES)
    assert prediction in server.cli("predictions", "list", "--endpoint", "tiny")
    counted = json.loads(server.cli("predictions", "count", "--endpoint", "tiny"))
    assert counted["rows"] >= 1
    labels = tmp_path / "labels.csv"
    labels.write_text(f"prediction_id,value\n{prediction},1\n")
    assert "1 labels accepted" in server.cli("labels", "post", "tiny", str(labels))
    assert json.loads(server.cli("predictions", "get", prediction))["label"]["value"] == 1
    labels.write_text(f"prediction_id,value\n{prediction}\n")
    server.cli("labels", "post", "tiny", str(labels), expect=1)


def test_every_list_can_be_shown(server, registered_model):
    ask(server)
    assert "tiny" in server.cli("endpoints", "list")
    assert "version.stage_changed" in server.cli("events", "list", "--type-prefix", "version.")
    assert "tiny" in server.cli("endpoints", "show", registered_model)
    assert "PREDICTIONS" in server.cli("windows", "tiny")
    assert "age" in server.cli("drift", "tiny")
    for noun in ("rollouts", "alerts", "pipelines", "decisions"):
        assert server.cli(noun, "list")
    assert '"mode": "system"' in server.cli("clock", "show")
    server.cli("clock", "set", "2030-01-01T00:00:00Z", expect=1)
    assert '"intact": true' in server.cli("audit", "verify")


def test_a_promotion_rolls_out_and_a_rollback_takes_it_back(server, registered_model):
    version = tiny_models.register(server.url, registered_model, weights=(1.1, -1.0))
    rollout = json.loads(server.cli("versions", "promote", "tiny", str(version)))["rollout"]
    assert rollout["state"] == "running"
    assert "running" in server.cli("rollouts", "list")
    arms = json.loads(server.cli("endpoints", "show", "tiny"))["plan"]["arms"]
    assert {arm["name"]: arm["weight"] for arm in arms} == {"stable": 0.95, "candidate": 0.05}
    server.cli("rollouts", "promote", rollout["id"], "--reason", "test")
    server.wait_for(
        lambda: server.get(f"/api/v1/models/tiny/versions/{version}")["stage"] == "Production", 30, "the promotion"
    )
    plan = json.loads(server.cli("rollback", "tiny", "--reason", "test"))["plan"]
    assert [arm["version"] for arm in plan["arms"]] == [1]
    assert server.get("/api/v1/models/tiny/versions/1")["stage"] == "Production"
    assert server.get(f"/api/v1/models/tiny/versions/{version}")["stage"] == "Archived"


def test_doctor_finds_what_is_not_in_order(server, registered_model):
    ask(server)
    report = server.cli("doctor", "--endpoint", registered_model, expect=1)
    assert "FAIL  alerts are configured" in report
    assert "ok    endpoint tiny is right on its test set" in report


def test_config_show_says_where_a_value_came_from(tmp_path):
    file = tmp_path / "slipway.yaml"
    file.write_text("monitoring:\n  window: 2h\n")
    shown = run("config", "show", "--config", str(file), "--set", "http.io_threads=3").stdout
    lines = {line.split()[0]: line for line in shown.splitlines()}
    assert "slipway.yaml:2:" in lines["monitoring.window"]
    assert "--" in lines["http.io_threads"]
    assert "default" in lines["grpc.listen"]


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("monitoring:\n  windw: 2h\n", "slipway.yaml:2:3"),
        ("http:\n  io_threads: many\n", "http.io_threads"),
        ("policies:\n  tiny: {rolout: true}\n", "policies.tiny.rolout"),
        ("pipelines:\n  p: {steps: []}\n", "steps"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(tmp_path, yaml, expected):
    file = tmp_path / "slipway.yaml"
    file.write_text(yaml)
    listen = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
    done = run("serve", "--config", str(file), "--data", str(tmp_path / "data"), *listen)
    assert done.returncode == 1
    assert expected in done.stderr


def test_an_open_address_needs_a_word(tmp_path):
    done = run("serve", "--data", str(tmp_path / "data"), "--http", "0.0.0.0:0", "--grpc", "127.0.0.1:0")
    assert done.returncode == 1
    assert "--insecure" in done.stderr


def test_one_data_folder_has_one_server(server):
    done = run("serve", "--data", str(server.data), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    assert done.returncode == 1
    assert "another process is using the data folder" in done.stderr


def test_a_missing_server_is_said_so():
    done = run("--server", "http://127.0.0.1:9", "models", "list")
    assert done.returncode == 1
    assert "slipway serve" in done.stderr


def test_stopping_turns_ready_off_before_the_port_closes_and_finishes_what_is_in_flight(tmp_path):
    server = Server(tmp_path / "data", "--set", "http.drain_notice=2s").start()
    try:
        tiny_models.register(server.url, "tiny")
        for stage in ("Staging", "Production"):
            server.post("/api/v1/models/tiny/versions/1/transition", {"to": stage})
        server.wait_for(lambda: server.get("/api/v1/endpoints")["endpoints"], 30, "endpoint tiny")
        answers: list[int] = []
        stop = threading.Event()

        def keep_asking() -> None:
            body = {"dataframe_split": {"columns": tiny_models.FEATURES, "data": tiny_models.rows(1).tolist()}}
            while not stop.is_set():
                answers.append(
                    requests.post(f"{server.url}/endpoints/tiny/invocations", json=body, timeout=30).status_code
                )

        server.process.terminate()
        server.wait_for(
            lambda: requests.get(f"{server.url}/ready", timeout=5).status_code == 503, 2, "/ready to say 503"
        )
        asking = threading.Thread(target=keep_asking)
        asking.start()
        time.sleep(0.3)
        stop.set()
        asking.join()
        assert answers
        assert set(answers) == {200}
        assert server.process.wait(20) == 0
    finally:
        server.kill()
