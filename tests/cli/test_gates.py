# SPDX-License-Identifier: Apache-2.0
"""Gates by policy: what they refuse, who may set them aside, and what is kept of it; by the built binary."""

from __future__ import annotations

import json
import os
import pickle
import subprocess

import mlflow
import pytest
import requests
import tiny_models
import yaml
from http_receiver import HttpReceiver
from mlflow import MlflowClient
from slipway_server import BINARY, Server


class Vetoer(HttpReceiver):
    def __init__(self):
        self.says: tuple[int, dict] = (200, {"allow": True})
        super().__init__("/veto")

    def answer(self, body: bytes) -> tuple[int, bytes]:
        status, verdict = self.says
        return status, json.dumps(verdict).encode()


@pytest.fixture(scope="module")
def vetoer():
    one = Vetoer()
    yield one
    one.close()


PROGRAM = """
test -f "$SLIPWAY_FOLDER/model.onnx" && echo "looked at $SLIPWAY_MODEL $SLIPWAY_VERSION for $SLIPWAY_STAGE"
test "$SLIPWAY_MODEL" != bad
"""


@pytest.fixture(scope="module")
def gated(tmp_path_factory, vetoer):
    folder = tmp_path_factory.mktemp("gates")
    policy = {
        "roles": {"release": ["ada", "bob"]},
        "override": ["release"],
        "rules": [
            {"models": "approved*", "stages": "Production", "gates": {"approval": {"by": ["release"], "count": 2}}},
            {"models": "vetoed", "gates": {"veto_webhook": {"url": vetoer.url}}},
            {"models": ["good", "bad"], "gates": {"external_command": {"command": ["/bin/sh", "-c", PROGRAM]}}},
            {"models": "slow", "gates": {"latency_budget": {"p99_ms": 0.0000001, "runs": 20}}},
            {"models": "quick", "gates": {"latency_budget": {"p99_ms": 60000, "runs": 20}}},
            {"models": "pickled", "gates": {"model_loads": False, "golden_outputs": False}},
            {
                "models": "trusted",
                "gates": {
                    "model_loads": False,
                    "golden_outputs": False,
                    "unsafe_pickle": {"allow": ["posix.system"]},
                },
            },
            {"models": "lax", "gates": {"required_metadata": {"items": ["git_sha"]}}},
        ],
    }
    file = folder / "slipway.yaml"
    file.write_text(yaml.safe_dump({"registry": {"policy": policy}}))
    server = Server(folder / "data", "--config", str(file)).start()
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    yield server
    server.kill()


def cli_as(actor: str, server: Server, *arguments: str, expect: int = 0) -> str:
    done = subprocess.run(
        [str(BINARY), "--server", server.url, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "USER": actor},
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def move(server: Server, model: str, version: int, to: str) -> requests.Response:
    return requests.post(
        f"{server.url}/api/v1/models/{model}/versions/{version}/transition", json={"to": to}, timeout=120
    )


def verdict(answer: requests.Response, gate: str) -> dict:
    return next(one for one in answer.json()["verdicts"] if one["gate"] == gate)


def test_production_needs_the_approval_of_enough_people_who_may(gated):
    tiny_models.register(gated.url, "approved")
    refused = move(gated, "approved", 1, "Production")
    assert refused.status_code == 400
    assert "0 of 2 approvals" in verdict(refused, "approval")["summary"]
    assert "slipway gates approve approved 1 Production" in verdict(refused, "approval")["summary"]
    cli_as("mallory", gated, "gates", "approve", "approved", "1", "Production", "--comment", "me too")
    cli_as("ada", gated, "gates", "approve", "approved", "1", "Production", "--comment", "looked at the drift")
    cli_as("ada", gated, "gates", "approve", "approved", "1", "Production", "--comment", "again")
    assert "1 of 2 approvals" in verdict(move(gated, "approved", 1, "Production"), "approval")["summary"]
    expired = cli_as(
        "bob", gated, "gates", "approve", "approved", "1", "Production", "--comment", "old",
        "--expires", "2020-01-01T00:00:00Z", expect=1,
    )  # fmt: skip
    assert "expires" in expired
    no_comment = cli_as("bob", gated, "gates", "approve", "approved", "1", "Production", expect=1)
    assert "comment" in no_comment
    cli_as("bob", gated, "gates", "approve", "approved", "1", "Production", "--comment", "yes")
    assert "looked at the drift" in gated.cli("gates", "approvals", "approved", "1")
    bobs = next(
        w for w in gated.get("/api/v1/models/approved/versions/1/approvals")["approvals"] if w["actor"] == "bob"
    )
    cli_as("bob", gated, "gates", "revoke", "approved", "1", str(bobs["id"]))
    assert move(gated, "approved", 1, "Production").status_code == 400
    cli_as("bob", gated, "gates", "approve", "approved", "1", "Production", "--comment", "yes after all")
    moved = move(gated, "approved", 1, "Production")
    assert moved.status_code == 200, moved.text
    assert verdict(moved, "approval")["summary"] == "Approved by ada, bob."
    assert "yes after all" in gated.cli("audit", "list", "--type-prefix", "version.approved", "--json")


def test_a_gate_is_set_aside_only_by_who_may_with_a_reason_and_an_event(gated):
    version = tiny_models.register(gated.url, "forced", dataset=False)
    assert move(gated, "forced", version, "Staging").status_code == 400
    words = ("gates", "override", "forced", str(version), "Staging", "required_metadata")
    assert "may not override" in cli_as("mallory", gated, *words, "--reason", "hurry", expect=1)
    assert "reason" in cli_as("ada", gated, *words, expect=1)
    assert "no gate" in cli_as("ada", gated, *words[:-1], "nonsense", "--reason", "x", expect=1)
    cli_as("ada", gated, *words, "--reason", "the data set is lost")
    moved = move(gated, "forced", version, "Staging")
    assert moved.status_code == 200, moved.text
    told = verdict(moved, "required_metadata")
    assert told["outcome"] == "fail"
    assert told["overridden"] is True
    assert "Overridden by ada: the data set is lost" in told["summary"]
    assert "the data set is lost" in gated.cli("audit", "list", "--type-prefix", "gate.overridden", "--json")
    # The override is for one stage and one gate; force is for those who may override, too.
    assert move(gated, "forced", version, "Production").status_code == 400
    forced = requests.post(
        f"{gated.url}/api/v1/models/forced/versions/{version}/transition",
        json={"to": "Production", "force": True, "reason": "hurry"},
        headers={"X-Slipway-Actor": "mallory"},
        timeout=60,
    )
    assert forced.status_code == 403
    assert forced.json()["error"]["reason"] == "may_not_override"


def test_another_system_may_say_no_and_silence_is_no(gated, vetoer):
    tiny_models.register(gated.url, "vetoed")
    for answer, expected in (
        ((200, {"allow": False, "reason": "freeze until Monday"}), "vetoed: freeze until Monday"),
        ((500, {}), "there is no answer, which is a no"),
        ((200, {"ok": True}), "there is no answer, which is a no"),
    ):
        vetoer.says = answer
        refused = move(gated, "vetoed", 1, "Staging")
        assert refused.status_code == 400
        assert expected in verdict(refused, "veto_webhook")["summary"]
    vetoer.says = (200, {"allow": True})
    assert move(gated, "vetoed", 1, "Staging").status_code == 200
    asked = json.loads(vetoer.posts[-1][1])
    assert asked["model"] == "vetoed"
    assert asked["to"] == "Staging"
    assert asked["metadata"]["git_sha"]


def test_a_program_of_ones_own_judges(gated):
    tiny_models.register(gated.url, "good")
    moved = move(gated, "good", 1, "Staging")
    assert moved.status_code == 200, moved.text
    assert "looked at good 1 for Staging" in verdict(moved, "external_command")["summary"]
    tiny_models.register(gated.url, "bad")
    refused = move(gated, "bad", 1, "Staging")
    assert "ended with status 1: looked at bad 1" in verdict(refused, "external_command")["summary"]


def test_a_version_that_is_too_slow_is_refused_by_measurement(gated):
    tiny_models.register(gated.url, "slow")
    refused = verdict(move(gated, "slow", 1, "Staging"), "latency_budget")
    assert refused["outcome"] == "fail"
    assert refused["evidence"]["p99_ms"] > 0
    tiny_models.register(gated.url, "quick")
    assert verdict(move(gated, "quick", 1, "Staging"), "latency_budget")["outcome"] == "pass"


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


def register_pickle(server: Server, name: str, value) -> int:
    mlflow.set_experiment("pickles")
    with mlflow.start_run() as run:
        mlflow.log_params({"a": 1})
        mlflow.log_metrics({"auc": 0.5, "training_duration_s": 1.0})
        mlflow.set_tags({"git_sha": "abc", "dataset_hash": "d1"})
        mlflow.log_text("flavors: {}", "model/MLmodel")
        path = server.data.parent / f"{name}.pkl"
        path.write_bytes(pickle.dumps(value))
        mlflow.log_artifact(str(path), "model")
    client = MlflowClient()
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    return int(client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id).version)


def test_a_pickle_that_would_run_code_stays_out_of_production_unless_allowed(gated):
    evil = register_pickle(gated, "pickled", {"weights": [1.0], "hook": Evil()})
    assert move(gated, "pickled", evil, "Staging").status_code == 200
    refused = verdict(move(gated, "pickled", evil, "Production"), "unsafe_pickle")
    assert refused["outcome"] == "fail"
    assert "'pickled.pkl' would import posix.system" in refused["summary"]
    assert refused["evidence"]["files"][0]["unsafe"] == ["posix.system"]
    from sklearn.linear_model import LogisticRegression

    data = register_pickle(gated, "pickled", LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
    moved = move(gated, "pickled", data, "Production")
    assert moved.status_code == 200, moved.text
    assert "sklearn.linear_model._logistic.LogisticRegression" in str(verdict(moved, "unsafe_pickle")["evidence"])
    assert move(gated, "trusted", register_pickle(gated, "trusted", Evil()), "Production").status_code == 200


def test_a_signature_that_breaks_callers_is_refused_field_by_field(gated):
    tiny_models.register(gated.url, "signed")
    for stage in ("Staging", "Production"):
        assert move(gated, "signed", 1, stage).status_code == 200
    import onnx

    model = tiny_models.logistic()
    text = onnx.printer.to_text(model).replace("income", "salary")
    changed = onnx.parser.parse_model(text)
    mlflow.set_experiment("signed-training")
    with mlflow.start_run():
        mlflow.onnx.log_model(changed, name="model", registered_model_name="signed")
    refused = move(gated, "signed", 2, "Production")
    told = verdict(refused, "signature_compatible")
    assert told["outcome"] == "fail"
    assert told["evidence"]["breaks"] == ["input 'income' is gone", "input 'salary' is new and callers do not send it"]


def test_a_gate_run_goes_on_in_the_background_and_is_kept(gated):
    version = tiny_models.register(gated.url, "watched", dataset=False)
    started = json.loads(cli_as("ada", gated, "gates", "run", "watched", str(version), "Staging"))
    assert started["state"] == "running"
    run = gated.wait_for(
        lambda: (found := gated.get(f"/api/v1/gates/runs/{started['id']}"))["state"] != "running" and found,
        60,
        "the gate run",
    )
    assert run["state"] == "failed"
    assert run["actor"] == "ada"
    assert run["done"] == run["total"] == len(run["verdicts"])
    assert run["policy"] == 1
    assert "dataset_hash is missing" in gated.cli("gates", "show", str(started["id"]))
    assert "failed" in gated.cli("gates", "runs", "watched", str(version))
    assert gated.get(f"/api/v1/models/watched/versions/{version}")["stage"] == "None"
    shown = gated.get(f"/api/v1/models/watched/versions/{version}")["verdicts"]
    assert {one["gate"] for one in shown} >= {"required_metadata", "golden_outputs"}
    judged = gated.get("/api/v1/audit", type_prefix="gates.judged")["events"][0]
    assert judged["data"]["failed"] == ["required_metadata"]


def test_each_model_has_the_gates_of_its_rules(gated):
    version = tiny_models.register(gated.url, "lax", dataset=False)
    assert move(gated, "lax", version, "Staging").status_code == 200
    listed = gated.cli("gates", "list")
    for gate in ("required_metadata", "approval", "veto_webhook", "external_command", "unsafe_pickle"):
        assert gate in listed
    policy = json.loads(gated.cli("gates", "policy", "show"))
    assert policy["version"] == 1
    assert policy["policy"]["override"] == ["release"]


def test_the_policy_has_a_version_for_each_change_and_an_event(tmp_path):
    file = tmp_path / "slipway.yaml"
    server = Server(tmp_path / "data", "--config", str(file))
    try:
        for override in ("ada", "bob", "bob"):
            file.write_text(yaml.safe_dump({"registry": {"policy": {"override": [override]}}}))
            server.start()
            server.kill()
        server.start()
        policy = server.get("/api/v1/gates/policy")
        assert policy["version"] == 2
        assert [one["policy"]["override"] for one in policy["versions"]] == [["bob"], ["ada"]]
        assert len(server.get("/api/v1/audit", type_prefix="gates.policy_changed")["events"]) == 2
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"rules": [{"gates": {"aproval": True}}]}, "rules[0].gates.aproval: there is no such gate; did"),
        ({"rules": [{"gates": {"approval": {"cuont": 2}}}]}, "registry.policy.rules[0].gates.approval"),
        ({"rules": [{"stages": ["Prod"], "gates": {}}]}, "rules[0].stages: expected Staging or Production"),
        ({"rule": []}, "registry.policy.rule: unknown key"),
        ({"rules": [{"gates": {"latency_budget": {}}}]}, "expected p50_ms, p99_ms or memory_mb"),
        ({"rules": [{"gates": {"external_command": {"command": "rm"}}}]}, "expected a list: the program"),
    ],
)  # fmt: skip
def test_a_wrong_policy_stops_the_start_and_names_the_place(tmp_path, policy, expected):
    file = tmp_path / "slipway.yaml"
    file.write_text(yaml.safe_dump({"registry": {"policy": policy}}))
    listen = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
    done = subprocess.run(
        [str(BINARY), "serve", "--config", str(file), "--data", str(tmp_path / "data"), *listen],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert expected in done.stderr, done.stderr


POLICY = """# who may
override: [ada]
rules:
  - models: "*"
    gates:
      required_metadata: {items: [git_sha]}
"""


def test_a_policy_file_is_applied_without_a_restart_by_who_may_and_with_a_reason(tmp_path):
    file, config = tmp_path / "policy.yaml", tmp_path / "slipway.yaml"
    config.write_text(yaml.safe_dump({"registry": {"policy": {"override": ["ada", "bob"]}}}))
    server = Server(tmp_path / "data", "--config", str(config)).start()
    try:
        version = tiny_models.register(server.url, "lax", dataset=False)
        assert move(server, "lax", version, "Staging").status_code == 400
        file.write_text(POLICY)
        assert '"valid": true' in cli_as("eve", server, "gates", "policy", "check", str(file))
        assert "may not override" in cli_as(
            "eve", server, "gates", "policy", "apply", str(file), "--reason", "x", expect=1
        )
        assert "say why" in cli_as("bob", server, "gates", "policy", "apply", str(file), expect=1)
        words = ("gates", "policy", "apply", str(file), "--reason", "data sets come later", "--expected")
        assert "changed meanwhile" in cli_as("bob", server, *words, "7", expect=1)
        applied = json.loads(cli_as("bob", server, *words, "1"))
        assert (applied["version"], applied["origin"], applied["text"]) == (2, "applied", POLICY)
        assert move(server, "lax", version, "Staging").status_code == 200
        assert "may not override" in cli_as("bob", server, "gates", "policy", "reset", "--reason", "x", expect=1)
        # It holds after a restart, whatever the settings say by then.
        server.kill()
        config.write_text(yaml.safe_dump({"registry": {"policy": {"override": ["bob"]}}}))
        server.start()
        assert server.get("/api/v1/gates/policy")["version"] == 2
        reset = json.loads(cli_as("ada", server, "gates", "policy", "reset", "--reason", "as before"))
        assert (reset["version"], reset["origin"], reset["policy"]) == (3, "settings", {"override": ["bob"]})
        changed = server.get("/api/v1/audit", type_prefix="gates.policy_changed")["events"]
        told = [(one["actor"], one["data"]["reason"]) for one in changed]
        assert told == [("ada", "as before"), ("bob", "data sets come later"), ("settings", "")]
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rules:\n  - gates:\n      aproval: true\n", "policy.yaml:3:7: rules[0].gates.aproval: there is no such gate"),
        ("rules:\n  - gates: {approval: {cuont: 2}}\n", "policy.yaml:2:24: rules[0].gates.approval.cuont"),
        ("override: ada\nrule: []\n", "policy.yaml:2:1: rule: unknown key"),
        ("rules:\n  - stages: [Prod]\n    gates: {}\n", "policy.yaml:2:5: rules[0].stages: expected Staging"),
        ("rules: [\n", "policy.yaml:2:1: "),
        ("a\n", "policy.yaml:1:1: expected a mapping"),
        ("rules: []\nrules: []\n", "policy.yaml:2:1"),
    ],
)
def test_a_wrong_policy_file_is_refused_by_line_and_column(gated, tmp_path, text, expected):
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    before = gated.get("/api/v1/gates/policy")["version"]
    for words in (("check", str(file)), ("apply", str(file), "--reason", "x")):
        assert expected in cli_as("ada", gated, "gates", "policy", *words, expect=1)
    assert gated.get("/api/v1/gates/policy")["version"] == before
