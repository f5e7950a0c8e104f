# SPDX-License-Identifier: Apache-2.0
"""MLflow's own client against the server: tracking, registering, stages behind gates, aliases, loading."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import urllib.error
import urllib.request

import mlflow
import numpy as np
import pandas as pd
import pytest
import tiny_models
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

COLUMNS = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def client(server):
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    return MlflowClient()


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(200, 4)).astype(np.float32), columns=COLUMNS)
    return rows, (rows["a"] + rows["b"] > 0).astype(int)


def train(data, name, *, flavor="sklearn"):
    """Logs a run as people do and registers its model; returns (run id, version, model)."""
    rows, target = data
    mlflow.set_experiment("clients")
    with mlflow.start_run() as run:
        mlflow.log_params({"solver": "lbfgs", "C": 1.0})
        table = rows.assign(target=target)
        dataset = mlflow.data.from_pandas(table, source="random rows 0", targets="target")
        mlflow.log_input(dataset, context="training")
        model = LogisticRegression().fit(rows, target)
        mlflow.set_tags({"git_sha": "0123456789abcdef", "team": "trees"})
        for step, value in enumerate([0.5, 0.7, 0.9]):
            mlflow.log_metric("auc", value, step=step)
        if flavor == "onnx":
            exported = to_onnx(model, rows.to_numpy()[:1], options={"zipmap": False})
            info = mlflow.onnx.log_model(exported, **tiny_models.MODEL, registered_model_name=name)
        else:
            info = mlflow.sklearn.log_model(
                model, **tiny_models.MODEL, registered_model_name=name, input_example=rows.head(2)
            )
    return run.info.run_id, int(info.registered_model_version), model


def refused(call, *args, **kwargs):
    with pytest.raises(MlflowException) as failure:
        call(*args, **kwargs)
    return failure.value


@pytest.fixture(scope="module")
def first(client, data):
    return train(data, "trees")


def test_a_run_keeps_what_it_logged(client, first):
    run = client.get_run(first[0])
    assert run.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time
    assert run.data.params == {"solver": "lbfgs", "C": "1.0"}
    assert run.data.metrics["auc"] == 0.9
    assert run.data.tags["team"] == "trees"
    assert [m.value for m in client.get_metric_history(first[0], "auc")] == [0.5, 0.7, 0.9]
    assert [m.step for m in client.get_metric_history(first[0], "auc")] == [0, 1, 2]
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.digest
    assert [(t.key, t.value) for t in dataset.tags] == [("mlflow.data.context", "training")]


def test_a_run_knows_the_logged_model_that_it_made(client, first):
    (output,) = client.get_run(first[0]).outputs.model_outputs
    assert client.get_logged_model(output.model_id).source_run_id == first[0]
    assert client.get_logged_model(output.model_id).status == "READY"


def test_numbers_that_json_lacks_come_back(client):
    run = client.create_run("0")
    client.log_metric(run.info.run_id, "loss", float("nan"))
    client.log_metric(run.info.run_id, "bound", float("inf"))
    metrics = client.get_run(run.info.run_id).data.metrics
    assert np.isnan(metrics["loss"])
    assert metrics["bound"] == np.finfo(np.float64).max


def test_a_parameter_does_not_change(client):
    run = client.create_run("0")
    client.log_param(run.info.run_id, "depth", 3)
    client.log_param(run.info.run_id, "depth", 3)
    error = refused(client.log_param, run.info.run_id, "depth", 4)
    assert error.error_code == "INVALID_PARAMETER_VALUE"
    assert "already logged" in error.message


def test_batches_have_limits(client, server):
    run = client.create_run("0")
    body = {"run_id": run.info.run_id, "params": [{"key": f"p{i}", "value": "1"} for i in range(101)]}
    request = urllib.request.Request(
        f"{server.url}/api/2.0/mlflow/runs/log-batch", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(request)
    assert failure.value.code == 400
    assert json.load(failure.value)["error_code"] == "INVALID_PARAMETER_VALUE"
    assert client.get_run(run.info.run_id).data.params == {}


def test_wrong_types_are_named(server):
    for body, expected in [
        ({"run_id": 31}, "Invalid value 31 for parameter 'run_id' supplied"),
        ({}, "Missing value for required parameter 'run_id'"),
    ]:
        request = urllib.request.Request(f"{server.url}/api/2.0/mlflow/runs/log-batch", json.dumps(body).encode())
        with pytest.raises(urllib.error.HTTPError) as failure:
            urllib.request.urlopen(request)
        assert failure.value.code == 400
        assert expected in json.load(failure.value)["message"]


def test_runs_are_searched_sorted_and_paged(client):
    experiment = client.create_experiment("search", tags={"kind": "test"})
    for i in range(7):
        run = client.create_run(experiment, run_name=f"run-{i}", tags={"parity": str(i % 2)})
        client.log_metric(run.info.run_id, "auc", i / 10)
        client.log_param(run.info.run_id, "depth", i)

    def names(query, **options):
        return [r.info.run_name for r in client.search_runs([experiment], query, **options)]

    assert names("metrics.auc > 0.35", order_by=["metrics.auc DESC"]) == ["run-6", "run-5", "run-4"]
    assert names("tags.parity = '1' and metrics.auc <= 0.3", order_by=["metrics.auc"]) == ["run-1", "run-3"]
    both = "params.depth != '0' AND run_name LIKE 'run-_'"
    assert names(both, order_by=["run_name ASC"], max_results=2) == ["run-1", "run-2"]
    assert names("run_name LIKE 'RUN-%'") == []
    assert names("run_name ILIKE 'RUN-0'") == ["run-0"]
    assert refused(client.search_runs, [experiment], "run_name IN ('run-2')").error_code == "INVALID_PARAMETER_VALUE"
    page = client.search_runs([experiment], order_by=["metrics.auc"], max_results=5)
    rest = client.search_runs([experiment], order_by=["metrics.auc"], max_results=5, page_token=page.token)
    assert [r.info.run_name for r in [*page, *rest]] == [f"run-{i}" for i in range(7)]
    assert not rest.token
    for bad in ["metrics.auc > 0.1 OR metrics.auc < 0.2", "metrics.auc LIKE 'x'", "params.depth > 3", "nonsense"]:
        assert refused(client.search_runs, [experiment], bad).error_code == "INVALID_PARAMETER_VALUE"
    assert [e.experiment_id for e in client.search_experiments(filter_string="tags.kind = 'test'")] == [experiment]


def test_experiments_and_runs_are_deleted_and_restored(client):
    experiment = client.create_experiment("short")
    assert refused(client.create_experiment, "short").error_code == "RESOURCE_ALREADY_EXISTS"
    run = client.create_run(experiment)
    client.delete_run(run.info.run_id)
    assert client.search_runs([experiment]) == []
    assert "'active' state" in refused(client.log_metric, run.info.run_id, "x", 1).message
    client.restore_run(run.info.run_id)
    assert len(client.search_runs([experiment])) == 1
    client.delete_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    assert refused(client.create_run, experiment).error_code == "INVALID_PARAMETER_VALUE"
    client.restore_experiment(experiment)
    client.rename_experiment(experiment, "shorter")
    assert client.get_experiment_by_name("shorter").experiment_id == experiment
    assert refused(client.get_run, "0" * 32).error_code == "RESOURCE_DOES_NOT_EXIST"


def test_artifacts_go_up_and_down(client, tmp_path):
    run = client.create_run("0")
    big = os.urandom(5 * 1024 * 1024 + 7)
    (tmp_path / "big file.bin").write_bytes(big)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.txt").write_text("x")
    client.log_artifacts(run.info.run_id, str(tmp_path), "all")
    assert [f.path for f in client.list_artifacts(run.info.run_id)] == ["all"]
    assert {(f.path, f.is_dir) for f in client.list_artifacts(run.info.run_id, "all")} == {
        ("all/big file.bin", False),
        ("all/deep", True),
    }
    (tmp_path / "down").mkdir()
    got = client.download_artifacts(run.info.run_id, "all", str(tmp_path / "down"))
    with open(os.path.join(got, "big file.bin"), "rb") as file:
        assert file.read() == big
    client.log_text(run.info.run_id, "one", "note.txt")
    client.log_text(run.info.run_id, "two", "note.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt") == "two"


def test_a_registered_version_loads_and_answers_as_the_model_did(client, data, first):
    rows, _ = data
    version = client.get_model_version("trees", first[1])
    assert version.status == "READY"
    assert version.run_id == first[0]
    loaded = mlflow.pyfunc.load_model(f"models:/trees/{first[1]}")
    assert (loaded.predict(rows) == first[2].predict(rows)).all()


def test_onnx_goes_the_same_way(client, data):
    rows, _ = data
    _, number, model = train(data, "trees-onnx", flavor="onnx")
    loaded = mlflow.pyfunc.load_model(f"models:/trees-onnx/{number}")
    labels = next(iter(loaded.predict(rows.to_numpy()).values()))
    assert (np.asarray(labels) == model.predict(rows)).all()


def test_stages_go_through_the_gates(client, server):
    rows = tiny_models.rows(20, seed=7)
    table = {name: rows[:, [i]] for i, name in enumerate(tiny_models.FEATURES)}
    first = tiny_models.register(server.url, "gated")
    client.transition_model_version_stage("gated", first, "Staging")
    client.transition_model_version_stage("gated", first, "Production")
    assert client.get_model_version("gated", first).current_stage == "Production"
    answers = mlflow.pyfunc.load_model("models:/gated/Production").predict(table)
    assert np.allclose(answers["probabilities"][:, 1], tiny_models.score(rows), atol=1e-5)
    second = tiny_models.register(server.url, "gated", bias=0.5)
    assert second == first + 1
    client.transition_model_version_stage("gated", second, "Staging")
    client.transition_model_version_stage("gated", second, "Production")
    assert client.get_model_version("gated", first).current_stage == "Archived"
    latest = {v.current_stage: int(v.version) for v in client.get_latest_versions("gated")}
    assert latest == {"Archived": first, "Production": second}
    assert [int(v.version) for v in client.get_latest_versions("gated", ["Production"])] == [second]


def test_a_version_without_its_data_set_is_refused_and_told_why(client, server):
    number = tiny_models.register(server.url, "forgetful", dataset=False)
    error = refused(client.transition_model_version_stage, "forgetful", number, "Staging")
    assert error.error_code == "INVALID_STATE"
    assert "dataset_hash is missing" in error.message
    assert "mlflow.log_input" in error.message
    assert client.get_model_version("forgetful", number).current_stage == "None"


def test_what_is_missing_may_be_sent_later(client, server):
    number = tiny_models.register(server.url, "late", dataset=False)
    refused(client.transition_model_version_stage, "late", number, "Staging")
    client.set_tag(client.get_model_version("late", number).run_id, "dataset_hash", "sha256:1234")
    client.transition_model_version_stage("late", number, "Staging")
    assert client.get_model_version("late", number).current_stage == "Staging"


def test_aliases_move(client, data, first):
    rows, _ = data
    client.set_registered_model_alias("trees", "champion", first[1])
    assert int(client.get_model_version_by_alias("trees", "champion").version) == first[1]
    assert (mlflow.pyfunc.load_model("models:/trees@champion").predict(rows) == first[2].predict(rows)).all()
    assert client.get_registered_model("trees").aliases["champion"] in (first[1], str(first[1]))
    client.delete_registered_model_alias("trees", "champion")
    assert refused(client.get_model_version_by_alias, "trees", "champion").error_code == "INVALID_PARAMETER_VALUE"
    for bad in ["latest", "v12", "a b"]:
        error = refused(client.set_registered_model_alias, "trees", bad, first[1])
        assert error.error_code == "INVALID_PARAMETER_VALUE"


def test_models_and_versions_are_described_tagged_and_searched(client, data):
    client.create_registered_model("described", tags={"team": "blue"}, description="first")
    assert refused(client.create_registered_model, "described").error_code == "RESOURCE_ALREADY_EXISTS"
    client.update_registered_model("described", "second")
    client.set_registered_model_tag("described", "tier", "1")
    client.delete_registered_model_tag("described", "team")
    model = client.get_registered_model("described")
    assert (model.description, model.tags) == ("second", {"tier": "1"})
    run_id, number, _ = train(data, "described")
    number = str(number)  # MLflow 2 wants a text
    client.set_model_version_tag("described", number, "checked", "yes")
    client.update_model_version("described", number, "good")
    assert [m.name for m in client.search_registered_models("name LIKE 'descr%' AND tags.tier = '1'")] == ["described"]
    (version,) = client.search_model_versions(f"run_id = '{run_id}'")
    assert (version.name, version.tags, version.description) == ("described", {"checked": "yes"}, "good")
    assert [v.name for v in client.search_model_versions("tags.checked = 'yes'")] == ["described"]
    client.delete_model_version_tag("described", number, "checked")
    assert client.search_model_versions("tags.checked = 'yes'") == []


def test_sources_of_versions(client, data, first, tmp_path):
    run_id = first[0]
    copied = client.copy_model_version(f"models:/trees/{first[1]}", "trees-copy")
    assert copied.status == "READY"
    by_run = mlflow.register_model(f"runs:/{run_id}/model", "trees-by-run")
    assert by_run.run_id == run_id
    mlflow.pyfunc.load_model(f"models:/trees-by-run/{by_run.version}")
    client.create_registered_model("nowhere")
    for source in [f"file://{tmp_path}", str(tmp_path), "s3://bucket/model", "mlflow-artifacts:/../etc"]:
        assert refused(client.create_model_version, "nowhere", source).error_code == "INVALID_PARAMETER_VALUE"
    empty = refused(client.create_model_version, "nowhere", f"runs:/{run_id}/nothing", run_id)
    assert "has no files" in empty.message
    assert client.search_model_versions("name = 'nowhere'") == []


def test_the_bytes_of_a_version_do_not_change(client, server, first):
    uri = client.get_model_version_download_uri("trees", first[1])
    path = uri.removeprefix("mlflow-artifacts:/")
    base = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/{path}"
    for method, name in [("PUT", "MLmodel"), ("PUT", "more.txt"), ("DELETE", "MLmodel")]:
        request = urllib.request.Request(f"{base}/{name}", b"x" if method == "PUT" else None, method=method)
        with pytest.raises(urllib.error.HTTPError) as failure:
            urllib.request.urlopen(request)
        assert failure.value.code == 403
    before = urllib.request.urlopen(f"{base}/MLmodel").read()
    with contextlib.suppress(MlflowException):
        client.log_text(first[0], "overwritten", "model/MLmodel")
    assert urllib.request.urlopen(f"{base}/MLmodel").read() == before


def test_what_is_in_use_is_not_deleted(client, data):
    run_id, number, _ = train(data, "kept")
    client.set_registered_model_alias("kept", "live", number)
    for call, args in [
        (client.delete_model_version, ("kept", number)),
        (client.delete_registered_model, ("kept",)),
        (client.delete_run, (run_id,)),
    ]:
        assert refused(call, *args).error_code == "INVALID_STATE"
    client.delete_registered_model_alias("kept", "live")
    client.delete_model_version("kept", number)
    assert refused(client.get_model_version, "kept", number).error_code == "RESOURCE_DOES_NOT_EXIST"
    _, after, _ = train(data, "kept")
    assert after == number + 1
    client.delete_registered_model("kept")
    assert refused(client.get_registered_model, "kept").error_code == "RESOURCE_DOES_NOT_EXIST"


def test_concurrent_promotions_leave_one_in_production(client, server):
    number = tiny_models.register(server.url, "race")
    run_id = client.get_model_version("race", number).run_id
    versions = [number]
    for _ in range(3):
        versions.append(int(client.create_model_version("race", f"models:/race/{number}", run_id).version))
    failures = []

    def promote(version):
        for _ in range(3):
            try:
                MlflowClient().transition_model_version_stage("race", version, "Production")
            except MlflowException as error:
                failures.append(error)

    threads = [threading.Thread(target=promote, args=(v,)) for v in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    stages = [v.current_stage for v in client.search_model_versions("name = 'race'")]
    assert sorted(stages) == ["Archived", "Archived", "Archived", "Production"]


def test_unknown_endpoints_say_so(server):
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(f"{server.url}/api/2.0/mlflow/gateway/nothing")
    assert failure.value.code == 404
    assert json.load(failure.value)["error_code"] == "ENDPOINT_NOT_FOUND"
