# SPDX-License-Identifier: Apache-2.0
"""tensorflow-serving-api's own stubs against the server, and TensorFlow Serving's REST by label."""

from __future__ import annotations

import pathlib

import frameworks
import numpy as np
import pytest
import requests
import tiny_models
from mlflow import MlflowClient

CALLS = pathlib.Path(__file__).parent / "calls_tensorflow_serving.py"
P1 = tiny_models.score(np.array([[1.0, 1.0], [3.0, 1.0]]))
WANTED = [[1 - p, p] for p in P1]


@pytest.fixture(scope="module")
def told(server, registered_model):
    MlflowClient(server.url).set_registered_model_alias(registered_model, "champion", "1")
    return frameworks.run(CALLS, server.grpc, registered_model)


def test_predict_gives_the_models_numbers_in_the_fields_that_callers_read(told):
    for call in ("predict", "predict_fp64", "predict_version", "predict_label"):
        assert told[call]["outputs"]["label"] == [0, 1], call
        np.testing.assert_allclose(told[call]["outputs"]["probabilities"], WANTED, rtol=1e-5)
        np.testing.assert_allclose(told[call]["float_val"], np.ravel(WANTED), rtol=1e-5)
        assert told[call]["version"] == 1


def test_outputs_are_filtered_and_a_last_value_fills_the_shape(told):
    assert told["filtered"] == ["label"]
    np.testing.assert_allclose(told["filled"]["probabilities"], WANTED, rtol=1e-5)


def test_examples_are_classified(told):
    assert [[label for label, _ in row] for row in told["classify"]] == [["0", "1"], ["0", "1"]]
    np.testing.assert_allclose([[score for _, score in row] for row in told["classify"]], WANTED, rtol=1e-5)
    np.testing.assert_allclose(told["multi"], WANTED[1], rtol=1e-5)


def test_a_classifier_is_no_regressor(told):
    assert told["regress"]["code"] == "INVALID_ARGUMENT"
    assert "one number a row" in told["regress"]["details"]


def test_metadata_and_status_are_what_tensorflow_serving_says(told):
    assert told["metadata"] == {"age": [1, [-1, 1]], "income": [1, [-1, 1]]}
    assert told["status"] == [[1, "AVAILABLE"]]


@pytest.mark.parametrize(
    ("what", "code", "text"),
    [
        ("values", "INVALID_ARGUMENT", "inputs.age: has 3 values for a shape of 2"),
        ("model", "NOT_FOUND", "nobody"),
        ("version", "NOT_FOUND", "99"),
        ("label", "NOT_FOUND", "nowhere"),
        ("signature", "INVALID_ARGUMENT", "model_spec.signature_name: "),
        ("dtype", "INVALID_ARGUMENT", "inputs.age.dtype: "),
        ("huge", "INVALID_ARGUMENT", "inputs.age.tensor_shape: "),
        ("reload", "UNIMPLEMENTED", "registry"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(told, what, code, text):
    assert told["failures"][what]["code"] == code, told["failures"][what]
    assert text in told["failures"][what]["details"]


def test_rest_by_label(server, told):
    url = f"{server.url}/v1/models/tiny/labels/champion"
    answer = requests.post(f"{url}:predict", json={"instances": [{"age": 3, "income": 1}]}, timeout=30)
    assert answer.status_code == 200, answer.text
    np.testing.assert_allclose(answer.json()["predictions"][0]["probabilities"], WANTED[1], rtol=1e-5)
    assert requests.get(url, timeout=30).json()["model_version_status"][0]["version"] == "1"
