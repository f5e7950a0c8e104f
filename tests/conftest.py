# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from slipway_server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for the tests of a file."""
    running = Server(tmp_path_factory.mktemp("slipway")).start()
    yield running
    assert running.stop() == 0, running.log_tail()


@pytest.fixture(scope="module")
def registered_model(server):
    """Endpoint `tiny` of the file's server answers from a registered model in production (see tiny_models.logistic)."""
    import tiny_models

    version = tiny_models.register(server.url, "tiny")
    server.post(f"/api/v1/models/tiny/versions/{version}/transition", {"to": "Staging"})
    server.post(f"/api/v1/models/tiny/versions/{version}/transition", {"to": "Production"})
    server.wait_for(
        lambda: any(e["name"] == "tiny" for e in server.get("/api/v1/endpoints")["endpoints"]), 30, "endpoint tiny"
    )
    return "tiny"
