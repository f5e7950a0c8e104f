# SPDX-License-Identifier: Apache-2.0
"""Rules files as people use them: tried on recorded data, put in force, refused, silenced, through a restart."""

from __future__ import annotations

import subprocess

import pytest
import requests
import tiny_models
from slipway_server import BINARY, Server

RULES = """
rules:
  - {name: slow, kind: latency, above: 250ms, for: 2m, severity: critical, endpoints: ["fraud-*"]}
  - {name: failing, kind: error_rate, above: 0.02, span: 5m}
  - {name: moved, kind: drift, of: prediction, windows: 2}
"""

TESTS = """
rules_file: rules.yaml
tests:
  - name: slow answers fire after two minutes
    endpoint: fraud-eu
    live:
      - {minutes: 60, requests: 100, latency: 20ms}
      - {minutes: 10, requests: 100, failed: 5, latency: 400ms}
      - {minutes: 30, requests: 100, latency: 20ms}
    expect:
      - {at: 59m, alerts: []}
      - {at: 62m, alerts: [{rule: slow, state: pending}]}
      - {at: 66m, alerts: [{rule: slow, state: firing, severity: critical}, {rule: failing, state: firing}]}
      - {at: 90m, alerts: []}
  - name: two windows in a row
    windows:
      - {at: 1h, drift: {prediction: {psi: 0.3, judged: true, p_adjusted: 0, n: 500}}}
      - {at: 2h, drift: {prediction: {psi: 0.3, judged: true, p_adjusted: 0, n: 500}}}
      - {at: 3h, drift: {prediction: {psi: 0.1, judged: true, p_adjusted: 0, n: 500}}}
    expect:
      - {at: 90m, alerts: [{rule: moved, state: pending}]}
      - {at: 150m, alerts: [{rule: moved, state: firing}]}
      - {at: 200m, alerts: []}
"""


def alerts_test(path) -> subprocess.CompletedProcess:
    return subprocess.run([str(BINARY), "alerts", "test", str(path)], capture_output=True, text=True, timeout=60)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "tests.yaml").write_text(TESTS)
    return tmp_path


def test_rules_are_tried_on_recorded_data(files):
    done = alerts_test(files / "tests.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 tests, 0 failed" in done.stdout


def test_what_was_not_expected_is_said_with_its_line(files):
    (files / "tests.yaml").write_text(TESTS.replace("{at: 59m, alerts: []}", "{at: 60m, alerts: [{rule: slow}]}", 1))
    done = alerts_test(files / "tests.yaml")
    assert done.returncode == 1
    assert "tests.yaml:11:" in done.stdout, done.stdout + done.stderr
    assert "no such alert is open" in done.stdout, done.stdout + done.stderr


def test_a_wrong_file_is_refused_where_it_is_wrong(files):
    (files / "tests.yaml").write_text(TESTS.replace("minutes: 60", "minuts: 60"))
    done = alerts_test(files / "tests.yaml")
    assert done.returncode == 1
    assert "tests.yaml:7:" in done.stderr, done.stderr
    assert "minuts" in done.stderr, done.stderr
    (files / "rules.yaml").write_text(RULES.replace("above: 250ms", "above: soon"))
    done = alerts_test(files / "tests.yaml")
    assert "rules.yaml:3:" in done.stderr, done.stderr
    assert "expected a time" in done.stderr, done.stderr


ALWAYS = "rules: [{name: any, kind: latency, above: 1us, least_requests: 1, labels: {team: risk}}]\n"


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "data").start()
    tiny_models.register(running.url, "tiny")
    for stage in ("Staging", "Production"):
        running.post("/api/v1/models/tiny/versions/1/transition", {"to": stage})
    running.wait_for(lambda: running.get("/api/v1/endpoints")["endpoints"], what="endpoint tiny")
    yield running
    running.kill()


def predict(server):
    for _ in range(5):
        assert requests.post(f"{server.url}/predict/tiny", json={"age": 1, "income": 2}, timeout=10).status_code == 200


def alerts(server, **query) -> list[dict]:
    return server.get("/api/v1/alerts", **query)["alerts"]


def test_an_episode_lives_through_rules_silences_and_restarts(server, files):
    assert server.get("/api/v1/alerts/rules")["version"] == 0
    (files / "always.yaml").write_text(ALWAYS)
    assert "version 1" in server.cli("alerts", "apply", str(files / "always.yaml"), "--why", "a drill")
    predict(server)
    server.wait_for(lambda: alerts(server, state="firing"), what="the alert")
    alert = alerts(server)[0]
    assert (alert["rule"], alert["endpoint"], alert["version"]) == ("any", "tiny", 0)
    silence = server.post("/api/v1/alerts/silences", {"matcher": {"team": "r*"}, "for": "2h", "why": "a drill"})
    assert [one["id"] for one in alerts(server, state="silenced")] == [alert["id"]]
    assert alert["id"] in server.cli("alerts", "list", "--state", "silenced")
    server.cli("alerts", "unsilence", silence["id"])
    assert alerts(server, state="silenced") == []
    server.cli("alerts", "ack", alert["id"], "--comment", "on it")
    assert server.get(f"/api/v1/alerts/{alert['id']}")["acknowledged"]["comment"] == "on it"
    server.kill()
    server.start()
    assert server.get("/api/v1/alerts/rules")["version"] == 1
    assert alerts(server, state="firing")[0]["id"] == alert["id"]  # the counts came back with the log
    server.post("/api/v1/alerts/rules", {"text": RULES, "why": "enough"})
    assert [one["state"] for one in alerts(server)] == ["resolved"]
    kinds = [event["type"] for event in server.get("/api/v1/events", limit=1000)["events"]]
    for kind in ("alert.rules_changed", "alert.firing", "alert.silenced", "alert.unsilenced", "alert.resolved"):
        assert kind in kinds, kinds


def test_what_cannot_be_done_is_refused_by_name(server):
    for path, body, field in (
        ("/api/v1/alerts/rules", {"text": "rules: [{name: a, kind: nothing}]"}, "rules[0].kind"),
        ("/api/v1/alerts/silences", {"why": "x", "for": "1h"}, "matcher"),
        ("/api/v1/alerts/silences", {"rule": "a", "for": "1h"}, "why"),
        ("/api/v1/alerts/silences", {"rule": "a", "why": "x"}, "until"),
    ):
        answer = requests.post(server.url + path, json=body, timeout=10)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["field"] == field, answer.text
    assert (
        requests.post(server.url + "/api/v1/alerts/rules", json={}, timeout=10).json()["error"]["reason"]
        == "no_rules_file"
    )
    assert requests.get(server.url + "/api/v1/alerts/none", timeout=10).status_code == 404
    assert server.get("/api/v1/alerts/rules")["version"] == 0
