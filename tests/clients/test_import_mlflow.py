# SPDX-License-Identifier: Apache-2.0
"""`slipway import mlflow`: stores that the real mlflow package filled, read back by its client from our server."""

from __future__ import annotations

import json
import math
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import mlflow
import numpy
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from slipway_server import BINARY, Server

PAGE = 1000


def run_import(source, data, *options: str, expect: int = 0) -> dict:
    command = [str(BINARY), "--json", "import", "mlflow", str(source), "--data", str(data), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else {"error": done.stderr}


def fill(client: MlflowClient, artifacts) -> None:
    """A little of everything."""
    experiment = client.create_experiment("Flights, late", str(artifacts / "one"), {"team": "a", "odd key": "ü"})
    gone = client.create_experiment("gone", str(artifacts / "gone"))
    client.delete_experiment(gone)
    for number in range(3):
        run_id = client.create_run(
            experiment, 1_700_000_000_000 + number, {"kind": "x" * 300}, f"run {number}"
        ).info.run_id
        metrics = [Metric("loss/train", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(50)]
        metrics += [Metric("odd", value, 5, 0) for value in (math.nan, math.inf, -math.inf, 1e-300)]
        client.log_batch(run_id, metrics, [Param("depth", "3"), Param("text", "a\nb: 'c'")], [RunTag("t", "yes")])
        client.log_text(run_id, "hello " * number, "notes/hello.txt")
        client.set_terminated(run_id, "FAILED" if number == 1 else "FINISHED", 1_700_000_100_000)
    client.delete_run(run_id)
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_input(mlflow.data.from_numpy(numpy.zeros(3), name="flights"), context="training", tags={"a": "b"})
        model = client.create_logged_model(experiment, "model", run.info.run_id, {"s": "1"}, {"p": "2"}, "classifier")
        client.log_model_artifact(model.model_id, write(artifacts / "MLmodel", "flavors: {}\n"))
        client.finalize_logged_model(model.model_id, "READY")
        client.log_outputs(run.info.run_id, [mlflow.entities.LoggedModelOutput(model.model_id, 2)])
        mlflow.log_metric("acc", 0.5, model_id=model.model_id)
        client.log_text(run.info.run_id, "flavors: {}\n", "old/MLmodel")
    client.create_registered_model("fraud", {"owner": "b"}, "finds it")
    sources = [f"models:/{model.model_id}", f"{run.info.artifact_uri}/old", f"{run.info.artifact_uri}/old"]
    for source in sources:
        client.create_model_version("fraud", source, run.info.run_id, {"v": "w"}, None, "a version")
    client.delete_model_version("fraud", "2")
    client.transition_model_version_stage("fraud", "3", "Production")
    client.transition_model_version_stage("fraud", "1", "Staging")
    client.set_registered_model_alias("fraud", "champion", "3")


def write(path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.fixture(scope="module")
def postgresql():
    """A server of its own, as far as a test needs one; gives the URI of an empty database."""
    binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder = tempfile.mkdtemp(prefix="slipway-postgresql-")
    user = []
    if os.getuid() == 0:  # which PostgreSQL refuses to run as
        shutil.chown(folder, "postgres", "postgres")
        user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    made = [*user, binaries / "initdb", "-D", f"{folder}/data", "-U", "mlflow", "-A", "trust", "-E", "UTF8", "-N"]
    subprocess.run(made, check=True, timeout=60, **quiet)
    command = [*user, binaries / "postgres", "-D", f"{folder}/data", "-k", folder, "-c", "listen_addresses="]
    server = subprocess.Popen([*command, "-c", "fsync=off"], **quiet)
    try:
        ready = [binaries / "pg_isready", "-h", folder, "-q"]
        deadline = time.monotonic() + 60
        while subprocess.run(ready, check=False, timeout=10, **quiet).returncode != 0:
            assert time.monotonic() < deadline, "PostgreSQL did not start"
        yield f"postgresql+psycopg2:///postgres?host={folder}&user=mlflow"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
        shutil.rmtree(folder)


@pytest.fixture(scope="module", params=["sqlite", "folder", "postgresql"])
def store(request, tmp_path_factory):
    """(URI, client) of a store that mlflow made."""
    folder = tmp_path_factory.mktemp(request.param)
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    uri = {"sqlite": f"sqlite:///{folder}/mlflow.db", "folder": f"file://{folder}/mlruns"}.get(request.param)
    uri = uri or request.getfixturevalue("postgresql")
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient(uri, uri)
    fill(client, folder)
    return uri, client


def everything(client: MlflowClient) -> dict:
    """What a client sees; without where artifacts lie, which differs."""
    mlflow.set_tracking_uri(client.tracking_uri)  # the client's downloads ask there
    mlflow.set_registry_uri(client.tracking_uri)
    seen = {"experiments": {}, "models": {}, "files": {}}
    for experiment in client.search_experiments(ViewType.ALL):
        runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL, max_results=PAGE)
        about = (experiment.lifecycle_stage, experiment.creation_time, sorted(experiment.tags.items()))
        if experiment.name == "Default":
            continue
        seen["experiments"][experiment.name] = (about, {run.info.run_id: of_run(client, run) for run in runs})
        for run in runs:
            for path in ["notes/hello.txt", "old/MLmodel"]:
                names = [file.path for file in client.list_artifacts(run.info.run_id, path.split("/")[0])]
                if path in names:
                    local = client.download_artifacts(run.info.run_id, path)
                    seen["files"][run.info.run_id, path] = pathlib.Path(local).read_bytes()
        for model in client.search_logged_models([experiment.experiment_id]):
            seen["models"][model.model_id] = (
                (model.name, model.status, model.model_type, model.source_run_id, model.creation_timestamp),
                (sorted(model.params.items()), sorted(model.tags.items())),
                [(m.key, m.value, m.step, m.timestamp) for m in model.metrics or []],
            )
    for model in client.search_registered_models():
        versions = client.search_model_versions(f"name = '{model.name}'")
        seen["models"][model.name] = (
            (model.description, dict(model.tags), {k: str(v) for k, v in model.aliases.items()}),
            model.creation_timestamp,
            {
                str(v.version): (v.current_stage, v.description, v.run_id, v.tags, v.status, v.creation_timestamp)
                for v in versions
            },
        )
    return seen


def of_run(client: MlflowClient, run) -> tuple:
    history = {
        key: [(m.timestamp, m.step, kept(m.value)) for m in client.get_metric_history(run.info.run_id, key)]
        for key in run.data.metrics
    }
    info = run.info
    inputs = [
        (d.dataset.name, d.dataset.digest, d.dataset.source, d.dataset.schema, sorted((t.key, t.value) for t in d.tags))
        for d in run.inputs.dataset_inputs
    ]
    return (
        (info.run_name, info.status, info.start_time, info.end_time, info.lifecycle_stage, info.user_id),
        sorted((key, sorted(values)) for key, values in history.items()),
        sorted(run.data.params.items()),
        sorted(run.data.tags.items()),
        inputs,
        [(output.model_id, output.step) for output in run.outputs.model_outputs] if run.outputs else [],
    )


def kept(value: float) -> str:
    """The file store keeps infinities, every database the largest finite number in their place."""
    return repr(value if math.isnan(value) else max(-sys.float_info.max, min(value, sys.float_info.max)))


@pytest.fixture
def imported(store, tmp_path):
    uri, client = store
    report = run_import(uri, tmp_path / "data")
    server = Server(tmp_path / "data").start()
    yield client, MlflowClient(server.url, server.url), report, server
    server.stop()


def test_a_client_sees_here_what_it_saw_there(imported):
    there, here, report, server = imported
    assert report["differences"] == []
    assert report["runs"] == {"found": 4, "added": 4}
    assert report["verified_runs"] == 4
    assert report["versions"] == {"found": 2, "added": 2}
    assert report["files"]["found"] == report["verified_files"] == report["files"]["added"] > 0
    mine, theirs = everything(here), everything(there)
    for part in theirs:
        assert repr(mine[part]) == repr(theirs[part]), part
    version = here.create_model_version("fraud", f"runs:/{run_of(here)}/old", run_of(here))
    assert version.version == "4"
    assert server.cli("audit", "verify")


def run_of(client: MlflowClient) -> str:
    return client.get_model_version("fraud", "3").run_id


def test_a_second_import_adds_nothing_and_compares_all(store, tmp_path):
    run_import(store[0], tmp_path / "data")
    again = run_import(store[0], tmp_path / "data")
    assert {again[part]["added"] for part in ["runs", "files", "models", "versions", "logged_models"]} == {0}
    assert again["verified_runs"] == 4
    assert again["differences"] == []


def test_a_killed_import_goes_on(tmp_path):
    """Killed at its first step, it is started again until it is through; then nothing is missing."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri, uri)
    client.create_experiment("many", str(tmp_path / "artifacts"))
    seed_runs(tmp_path / "mlflow.db", 1, 3000)
    command = [str(BINARY), "import", "mlflow", uri, "--data", str(tmp_path / "data")]
    for kills in range(1, 4):
        importer = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        for _ in range(1 + kills):  # lines of progress
            importer.stderr.readline()
        importer.send_signal(signal.SIGKILL)
        importer.wait(60)
        importer.stderr.close()
    report = run_import(uri, tmp_path / "data")
    assert report["runs"]["found"] == report["verified_runs"] == 3000
    assert report["runs"]["added"] < 3000
    assert report["differences"] == []


def seed_runs(path, experiment: int, count: int) -> None:
    with sqlite3.connect(path, timeout=60) as base:
        base.executemany(
            "INSERT INTO runs (run_uuid, name, experiment_id, user_id, status, start_time, lifecycle_stage,"
            " artifact_uri, source_type) VALUES (?, ?, ?, 'a', 'FINISHED', ?, 'active', '', 'UNKNOWN')",
            [(f"{i:032x}", f"run-{i}", experiment, i) for i in range(count)],
        )
        base.executemany(
            "INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES ('auc', ?, ?, 0, 0, ?)",
            [(i / count, i, f"{i:032x}") for i in range(count)],
        )


def test_what_is_here_and_differs_is_named(store, tmp_path):
    uri, client = store
    run_import(uri, tmp_path / "data")
    run_id = run_of(client)
    with sqlite3.connect(tmp_path / "data" / "slipway.db") as base:
        base.execute("UPDATE tracking_metrics SET value = 7 WHERE run_id = ?", [run_id])
    report = run_import(uri, tmp_path / "data", expect=1)
    assert report["differences"] == [f"run {run_id} is here with other values than in the source"]


def test_refusals_say_what_was_expected(server, store, tmp_path):
    in_use = run_import(store[0], server.data, expect=1)["error"]
    assert "another process is using the data folder" in in_use
    assert "expected sqlite:///FILE" in run_import(tmp_path / "none", tmp_path / "data", expect=1)["error"]
    empty = tmp_path / "empty.db"
    sqlite3.connect(empty).close()
    assert "no table 'experiments'" in run_import(empty, tmp_path / "data", expect=1)["error"]
    (tmp_path / "folder").mkdir()
    assert "holds no experiments" in run_import(tmp_path / "folder", tmp_path / "data", expect=1)["error"]
    served = tmp_path / "served.db"
    client = MlflowClient(f"sqlite:///{served}", f"sqlite:///{served}")
    client.create_run(client.create_experiment("served", "mlflow-artifacts:/7"))
    assert "--artifacts" in run_import(served, tmp_path / "data", expect=1)["error"]
    report = run_import(served, tmp_path / "data", "--without-artifacts")
    assert report["runs"] == {"found": 1, "added": 0}
