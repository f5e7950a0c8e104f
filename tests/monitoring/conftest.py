# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import tiny_models
from observed import Prometheus, Traffic
from slipway_server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("observed")
    options = [
        "monitoring.window=2s",
        "monitoring.label_wait=1s",
        "monitoring.baseline_rows=300",
        "monitoring.min_labels=50",
    ]
    running = Server(folder, *[word for option in options for word in ("--set", option)]).start()
    tiny_models.register(running.url, "tiny")
    for stage in ("Staging", "Production"):
        running.post("/api/v1/models/tiny/versions/1/transition", {"to": stage})
    running.wait_for(lambda: running.get("/api/v1/endpoints")["endpoints"], what="endpoint tiny")
    tiny_models.register(running.url, "tiny", weights=(1.0, -1.1))
    running.post("/api/v1/models/tiny/versions/2/promote", {"force": True, "reason": "a test"})
    traffic = Traffic(running)
    yield running
    traffic.close()
    running.kill()


@pytest.fixture(scope="session")
def prometheus(server, tmp_path_factory):
    one = Prometheus(tmp_path_factory.mktemp("prometheus"), server.http)
    yield one
    one.close()
