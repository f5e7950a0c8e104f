# SPDX-License-Identifier: Apache-2.0
"""The demo's story, shortened, checked through the public APIs only."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests
from slipway_server import BINARY, ROOT

STORY = ROOT / "examples" / "flights" / "story.py"
LAST_WINDOW = 6  # one alarm whose candidate is better, one regime in which drift does no harm
TIMEOUT_S = 400


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Plays the story; gives the facts it wrote and the server, which still runs."""
    folder = tmp_path_factory.mktemp("story")
    http, grpc = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    command = [sys.executable, str(STORY), "--binary", str(BINARY), "--folder", str(folder)]
    command += ["--http", http, "--grpc", grpc, "--last-window", str(LAST_WINDOW)]
    log = folder / "story.log"
    with open(log, "wb") as output:
        story = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        wait_until_it_serves_on(story, log)
        facts = json.loads((folder / "summary.json").read_text())
        yield facts, f"http://{http}", log
    finally:
        story.send_signal(signal.SIGINT)  # as Ctrl-C does
        story.wait(60)


def wait_until_it_serves_on(story: subprocess.Popen, log: pathlib.Path) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while "The server goes on" not in log.read_text(errors="replace"):
        assert story.poll() is None, log.read_text(errors="replace")[-6000:]
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-6000:]
        time.sleep(0.5)


def get(url: str, path: str, **query) -> dict:
    answer = requests.get(url + path, params=query, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def events(url: str, kind: str) -> list[dict]:
    return get(url, "/api/v1/events", type_prefix=kind, order="oldest", limit=1000)["events"]


@pytest.mark.timeout(TIMEOUT_S + 60)
def test_every_request_was_answered_and_logged(played):
    facts, url, _ = played
    traffic = facts["traffic"]
    assert traffic["rows_sent"] > 10_000
    assert traffic["rows_sent"] == traffic["rows_answered"] == traffic["logged_rows"]
    assert traffic["failed"] == 0
    assert set(traffic["by_protocol"]) == {"oip_http", "oip_grpc", "invocations"}
    assert all(traffic["by_protocol"].values())
    logged = get(url, "/api/v1/predictions/count", endpoint="flights")
    assert logged["rows"] >= traffic["rows_sent"]


def test_the_first_version_passed_its_gates_and_an_undocumented_one_was_refused(played):
    facts, url, _ = played
    versions = {v["version"]: v for v in get(url, "/api/v1/models/flights")["versions"]}
    verdicts = {v["gate"]: v["outcome"] for v in get(url, "/api/v1/models/flights/versions/1")["verdicts"]}
    for gate in ("required_metadata", "artifact_integrity", "model_loads", "golden_outputs"):
        assert verdicts[gate] == "pass"
    metadata = versions[1]["metadata"]
    assert metadata["dataset_hash"]
    assert len(metadata["git_sha"]) == 40
    assert metadata["training_duration_s"] > 0
    assert versions[2]["stage"] == "None"
    refused = get(url, "/api/v1/models/flights/versions/2")["verdicts"]
    summary = next(v["summary"] for v in refused if v["gate"] == "required_metadata")
    assert "dataset" in summary
    assert "dataset" in facts["refused_without_dataset"]


def test_drift_and_falling_quality_raised_alerts_that_reached_the_webhook(played):
    facts, url, _ = played
    rules = {event["data"]["rule"] for event in events(url, "alert.firing")}
    assert "auc_drop" in rules
    assert "feature_psi" in rules
    assert facts["alerts_delivered"] >= len(events(url, "alert.firing"))
    windows = get(url, "/api/v1/monitoring/flights/windows")["windows"]
    assert max(windows[0]["psi"].values()) > 0.2


def test_an_alert_started_the_retraining_and_the_candidate_was_judged(played):
    _, url, _ = played
    runs = get(url, "/api/v1/pipelines/runs")["runs"]
    assert any(run["trigger"]["kind"] == "alert" and run["state"] == "succeeded" for run in runs)
    decisions = get(url, "/api/v1/decisions", model="flights")["decisions"]
    assert decisions
    for decision in decisions:
        assert decision["kind"] in ("staged", "refused", "archived_wins")
        if decision["kind"] == "staged":
            assert decision["difference"] >= 0.005
            assert decision["lower"] > 0


def test_a_better_candidate_was_rolled_out_step_by_step(played):
    _, url, _ = played
    promoted = [r for r in get(url, "/api/v1/rollouts", endpoint="flights")["rollouts"] if r["state"] == "promoted"]
    assert promoted
    weights = [entry["weight"] for entry in promoted[-1]["history"]]
    assert weights == sorted(weights)
    assert weights[0] == pytest.approx(0.05)
    for metric in promoted[-1]["analysis"]["metrics"]:
        if metric["name"] in ("error_rate", "loss"):
            assert metric["verdict"] == "pass"
            assert metric["upper"] < metric["tolerance"]


def test_the_broken_version_was_caught_without_a_failed_call(played):
    facts, url, _ = played
    broken = facts["broken"]
    assert broken["state"] == "rolled_back"
    assert broken["failed_calls"] == 0
    version = get(url, f"/api/v1/models/flights/versions/{broken['version']}")
    assert version["stage"] == "Archived"
    forced = [
        e
        for e in events(url, "version.stage_changed")
        if e["data"]["forced"] and e["data"]["reason"].startswith("demo")
    ]
    assert forced, "the override is in the audit log, with its reason"


def test_rollback_changed_who_answers(played):
    facts, _, _ = played
    assert facts["rollback"]["from"] != facts["rollback"]["to"]


def test_doctor_found_everything_in_order(played):
    facts, _, _ = played
    assert facts["doctor"]["exit_status"] == 0, "\n".join(facts["doctor"]["report"])


def test_the_audit_chain_is_intact(played):
    _, url, _ = played
    answer = requests.post(f"{url}/api/v1/audit/verify", timeout=60)
    assert answer.json()["intact"] is True
