# SPDX-License-Identifier: Apache-2.0
"""MLflow's own application (in this process) as oracle of refusals: the same bad request, the same status and code."""

from __future__ import annotations

import json

import pytest
import requests

LONG = "x" * 251


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_MLFLOW_SERVER_FILE_STORE", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
        patch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", str(folder / "artifacts"))
        patch.setenv("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
        from mlflow.server import app, handlers

        patch.setattr(handlers, "_tracking_store", None)
        patch.setattr(handlers, "_model_registry_store", None)
        client = app.test_client()

        def ask(method, path, body=None):
            answer = client.open(f"/api/2.0/mlflow/{path}", method=method, json=body)
            return answer.status_code, json.loads(answer.get_data() or b"{}")

        yield ask


@pytest.fixture(scope="module")
def ours(server):
    def ask(method, path, body=None):
        answer = requests.request(method, f"{server.url}/api/2.0/mlflow/{path}", json=body, timeout=60)
        return answer.status_code, answer.json()

    return ask


@pytest.fixture(scope="module")
def known(ours, theirs):
    """Two runs, one of them deleted, and a registered model, in both; what differs stands for itself in a request."""
    facts = []
    for ask in (ours, theirs):
        experiment = ask("POST", "experiments/create", {"name": "refused"})[1]["experiment_id"]
        gone = ask("POST", "experiments/create", {"name": "gone"})[1]["experiment_id"]
        ask("POST", "experiments/delete", {"experiment_id": gone})
        runs = [
            ask("POST", "runs/create", {"experiment_id": experiment, "start_time": i})[1]["run"]["info"]["run_id"]
            for i in range(2)
        ]
        ask("POST", "runs/delete", {"run_id": runs[1]})
        ask("POST", "runs/log-parameter", {"run_id": runs[0], "key": "depth", "value": "1"})
        ask("POST", "registered-models/create", {"name": "model"})
        facts.append({"<experiment>": experiment, "<gone>": gone, "<run>": runs[0], "<deleted>": runs[1]})
    return facts


METRIC = {"run_id": "<run>", "key": "k", "value": 1, "timestamp": 1}
REFUSED = [
    ("POST", "experiments/create", {}),
    ("POST", "experiments/create", {"name": 3}),
    ("POST", "experiments/create", {"name": "refused"}),
    ("POST", "experiments/create", {"name": "gone"}),
    ("POST", "experiments/create", {"name": "n" * 501}),
    ("GET", "experiments/get?experiment_id=99", None),
    ("GET", "experiments/get", None),
    ("GET", "experiments/get-by-name?experiment_name=none", None),
    ("POST", "experiments/delete", {"experiment_id": "99"}),
    ("POST", "experiments/restore", {"experiment_id": "99"}),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "<experiment>"}),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "<gone>", "key": "a", "value": "b"}),
    ("POST", "experiments/search", {"max_results": "x"}),
    ("POST", "experiments/search", {"max_results": 100_000}),
    ("POST", "experiments/search", {"max_results": 10, "order_by": ["nonsense"]}),
    ("POST", "runs/create", {"experiment_id": "99"}),
    ("POST", "runs/create", {"experiment_id": "<gone>"}),
    ("POST", "runs/create", {"experiment_id": "<experiment>", "start_time": "x"}),
    ("GET", "runs/get", None),
    ("GET", "runs/get?run_id=none", None),
    ("POST", "runs/update", {"run_id": "<deleted>", "status": "FINISHED"}),
    ("POST", "runs/update", {"run_id": "none", "status": "FINISHED"}),
    ("POST", "runs/delete", {"run_id": "none"}),
    ("POST", "runs/restore", {"run_id": "none"}),
    ("POST", "runs/log-metric", {**METRIC, "value": "x"}),
    ("POST", "runs/log-metric", {**METRIC, "key": ""}),
    ("POST", "runs/log-metric", {**METRIC, "key": LONG}),
    ("POST", "runs/log-metric", {**METRIC, "timestamp": "x"}),
    ("POST", "runs/log-metric", {**METRIC, "step": 1.5}),
    ("POST", "runs/log-metric", {**METRIC, "run_id": "<deleted>"}),
    ("POST", "runs/log-metric", {**METRIC, "run_id": "none"}),
    ("POST", "runs/log-metric", {"run_id": "<run>", "key": "k", "value": 1}),
    ("POST", "runs/log-metric", {"run_id": "<run>", "key": "k", "timestamp": 1}),
    ("POST", "runs/log-parameter", {"run_id": "<run>", "key": "depth", "value": "2"}),
    ("POST", "runs/log-parameter", {"run_id": "<run>", "key": LONG, "value": "2"}),
    ("POST", "runs/log-parameter", {"run_id": "<run>", "key": "k", "value": "v" * 6001}),
    ("POST", "runs/log-parameter", {"run_id": "<run>", "value": "2"}),
    ("POST", "runs/set-tag", {"run_id": "<run>", "value": "2"}),
    ("POST", "runs/set-tag", {"run_id": "<run>", "key": "k", "value": "v" * 8001}),
    ("POST", "runs/delete-tag", {"run_id": "<run>", "key": "none"}),
    ("POST", "runs/log-batch", {"run_id": 31}),
    ("POST", "runs/log-batch", {}),
    ("POST", "runs/log-batch", {"run_id": "<run>", "metrics": "x"}),
    ("POST", "runs/log-batch", {"run_id": "<run>", "metrics": [{"key": "a"}]}),
    ("POST", "runs/log-batch", {"run_id": "<run>", "params": [{"key": f"p{i}", "value": ""} for i in range(101)]}),
    ("POST", "runs/log-batch", {"run_id": "<run>", "tags": [{"key": f"t{i}", "value": ""} for i in range(101)]}),
    ("POST", "runs/search", {"experiment_ids": ["<experiment>"], "max_results": 100_000}),
    ("POST", "runs/search", {"experiment_ids": ["<experiment>"], "filter": "metrics.a = 'x'"}),
    ("POST", "runs/search", {"experiment_ids": ["<experiment>"], "page_token": "x"}),
    ("POST", "runs/search", {"experiment_ids": "x", "max_results": 0}),
    ("GET", "metrics/get-history?run_id=none&metric_key=a", None),
    ("GET", "metrics/get-history?run_id=<run>", None),
    ("GET", "artifacts/list?run_id=none", None),
    ("GET", "artifacts/list?run_id=<run>&path=../x", None),
    ("GET", "logged-models/none", None),
    ("POST", "logged-models", {}),
    ("POST", "logged-models", {"experiment_id": "99", "name": "m"}),
    ("POST", "logged-models", {"experiment_id": "<experiment>", "name": "a/b"}),
    ("DELETE", "logged-models/none", None),
    ("POST", "logged-models/search", {"experiment_ids": ["<experiment>"], "filter": "foo.bar = 1"}),
    ("POST", "registered-models/create", {}),
    ("POST", "registered-models/create", {"name": "model"}),
    ("POST", "registered-models/create", {"name": "a/b"}),
    ("GET", "registered-models/get?name=none", None),
    ("PATCH", "registered-models/update", {"name": "none", "description": "x"}),
    ("DELETE", "registered-models/delete", {"name": "none"}),
    ("POST", "registered-models/set-tag", {"name": "none", "key": "a", "value": "b"}),
    ("POST", "registered-models/set-tag", {"name": "model", "value": "b"}),
    ("DELETE", "registered-models/delete-tag", {"name": "none", "key": "a"}),
    ("POST", "registered-models/alias", {"name": "model", "alias": "a", "version": "1"}),
    ("POST", "registered-models/alias", {"name": "model", "alias": "v1", "version": "1"}),
    ("POST", "registered-models/alias", {"name": "model", "alias": "latest", "version": "1"}),
    ("GET", "registered-models/alias?name=model&alias=none", None),
    ("GET", "registered-models/alias?name=none&alias=a", None),
    ("DELETE", "registered-models/alias", {"name": "none", "alias": "a"}),
    ("POST", "registered-models/get-latest-versions", {"name": "none"}),
    ("POST", "registered-models/get-latest-versions", {"name": "model", "stages": ["Nowhere"]}),
    ("GET", "registered-models/search?max_results=100000", None),
    ("GET", "registered-models/search?filter=foo", None),
    ("GET", "model-versions/get?name=model&version=1", None),
    ("GET", "model-versions/get?name=none&version=1", None),
    ("GET", "model-versions/get?name=model&version=x", None),
    ("GET", "model-versions/get?name=model", None),
    ("GET", "model-versions/get-download-uri?name=model&version=1", None),
    ("POST", "model-versions/create", {"name": "model"}),
    ("POST", "model-versions/create", {"source": "runs:/<run>/model"}),
    ("POST", "model-versions/create", {"name": "model", "source": "/etc"}),
    ("POST", "model-versions/create", {"name": "model", "source": "file:///etc"}),
    ("PATCH", "model-versions/update", {"name": "model", "version": "7", "description": "x"}),
    ("DELETE", "model-versions/delete", {"name": "model", "version": "7"}),
    ("POST", "model-versions/transition-stage", {"name": "model", "version": "7", "stage": "Staging"}),
    ("POST", "model-versions/transition-stage", {"name": "model", "version": "7", "stage": "Nowhere"}),
    ("POST", "model-versions/set-tag", {"name": "model", "version": "7", "key": "a", "value": "b"}),
    ("DELETE", "model-versions/delete-tag", {"name": "model", "version": "7", "key": "a"}),
    ("GET", "traces/none/info", None),
    ("POST", "traces/delete-traces", {"experiment_id": "<experiment>"}),
]


# Where MLflow's answer is an accident (a 500, an error of its database, a value that is dropped), ours says more.
CLEARER = [
    ("POST", "experiments/update", {"experiment_id": "<gone>", "new_name": "x"}, 400, "'active' state"),
    ("POST", "runs/create", {"experiment_id": "<experiment>", "tags": "x"}, 400, "expected an array"),
    ("PATCH", "logged-models/none", {"status": "LOGGED_MODEL_READY", "model_id": "none"}, 404, "not found"),
    ("PATCH", "traces/none/tags", {"key": "a", "value": "b"}, 404, "not found"),
]


def asked(request, facts):
    text = json.dumps(request)
    for name, value in facts.items():
        text = text.replace(name, value)
    return json.loads(text)


def test_refusals_have_the_same_status_and_code(ours, theirs, known):
    differing = []
    for request in REFUSED:
        mine, wanted = (ask(*asked(request, facts)) for ask, facts in zip((ours, theirs), known, strict=True))
        if (mine[0], mine[1].get("error_code")) != (wanted[0], wanted[1].get("error_code")):
            differing.append(f"{str(request)[:160]}\n  ours:     {mine}\n  MLflow's: {wanted}"[:900])
    assert not differing, f"{len(differing)} of {len(REFUSED)} differ\n" + "\n".join(differing)


def test_some_refusals_are_clearer(ours, known):
    for method, path, body, status, why in CLEARER:
        answer = ours(*asked((method, path, body), known[0]))
        assert answer[0] == status
        assert why in answer[1]["message"]


def test_values_that_are_too_long_are_cut_alike(ours, theirs, known):
    cut = []
    for ask, facts in zip((ours, theirs), known, strict=True):
        run = {"run_id": facts["<run>"]}
        ask("POST", "runs/log-parameter", {**run, "key": "long", "value": "é" * 7000})
        ask("POST", "runs/set-tag", {**run, "key": "long", "value": "ab" * 4500})
        data = ask("GET", f"runs/get?run_id={facts['<run>']}")[1]["run"]["data"]
        cut.append([next(x["value"] for x in data[kind] if x["key"] == "long") for kind in ("params", "tags")])
    assert cut[0] == cut[1]
    assert [len(value) for value in cut[0]] == [6000, 8000]
