# SPDX-License-Identifier: Apache-2.0
"""KServe's own client against the server: the first protocol and the second, JSON and binary."""

from __future__ import annotations

import pathlib

import frameworks
import numpy as np
import pytest
import tiny_models

CALLS = pathlib.Path(__file__).parent / "calls_kserve.py"
P1 = tiny_models.score(np.array([[1.0, 1.0], [3.0, 1.0]]))
WANTED = [[1 - p, p] for p in P1]


@pytest.fixture(scope="module")
def told(server, registered_model):
    return frameworks.run(CALLS, server.url, server.grpc, registered_model)


def test_first_protocol_predicts(told):
    assert told["v1"]["live"] is True
    assert told["v1"]["ready"] is True
    rows = told["v1"]["predict"]["predictions"]
    assert [row["label"] for row in rows] == [0, 1]
    np.testing.assert_allclose([row["probabilities"] for row in rows], WANTED, rtol=1e-5)


def test_first_protocol_says_what_is_wrong(told):
    assert "nobody" in told["v1"]["unknown"]
    assert "404" in told["v1"]["unknown"]
    assert "instances: " in told["v1"]["malformed"]
    assert "400" in told["v1"]["malformed"]
    assert "no explainer" in told["v1"]["explain"]


@pytest.mark.parametrize("form", ["v2", "v2_binary", "v2_grpc", "v2_grpc_binary"])
def test_second_protocol_predicts(told, form):
    answer = told[form]
    assert answer["live"] is True
    assert answer["server_ready"] is True
    assert answer["ready"] is True
    np.testing.assert_allclose(answer["outputs"]["probabilities"], WANTED, rtol=1e-5)
