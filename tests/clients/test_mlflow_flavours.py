# SPDX-License-Identifier: Apache-2.0
"""log_model(registered_model_name=...) of six flavours, autolog, nested runs, and `mlflow models serve` from here."""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess

import frameworks
import pytest
import requests

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def logged(server):
    return frameworks.run(HERE / "logs_mlflow_flavours.py", server.url)


@pytest.mark.parametrize("flavour", ["sklearn", "onnx", "xgboost", "lightgbm", "pytorch", "pyfunc"])
def test_a_flavour_is_registered_and_loaded(logged, flavour):
    assert logged[flavour] == {"version": 1, "by_version": True, "by_alias": True, "by_logged_model": True}


def test_autolog_records_the_training(logged):
    assert logged["autolog"]["C"] == "0.5"
    assert "training_accuracy_score" in logged["autolog"]["metrics"]
    assert logged["autolog"]["datasets"] == 1
    assert logged["autolog"]["models"] == 1
    assert "estimator.html" in logged["autolog"]["files"]


def test_children_are_found_by_their_parent(logged):
    assert logged["nested"] == ["depth-2", "depth-1"]


def test_mlflow_serves_a_version_from_here(server, logged):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    python = pathlib.Path(os.environ["SLIPWAY_FRAMEWORKS"])
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": server.url,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
    }
    command = [str(python), "-m", "mlflow", "models", "serve", "-m", "models:/flavour-sklearn@best"]
    serving = subprocess.Popen(
        [*command, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        server.wait_for(lambda: requests.get(f"{url}/ping", timeout=5).status_code == 200, 120, "mlflow's server")
        rows = {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[3.0, 0.0, 0.0], [-3.0, 0.0, 0.0]]}}
        answer = requests.post(f"{url}/invocations", json=rows, timeout=30)
        assert answer.json() == {"predictions": [1, 0]}
    finally:
        os.killpg(serving.pid, signal.SIGTERM)
        serving.wait(30)
