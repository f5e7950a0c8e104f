# SPDX-License-Identifier: Apache-2.0
"""boto3's sagemaker-runtime client against the server."""

from __future__ import annotations

import json

import boto3
import botocore.config
import numpy as np
import pytest
import tiny_models
from botocore.exceptions import ClientError

P1 = tiny_models.score(np.array([[1.0, 1.0], [3.0, 1.0]]))
WANTED = [[1 - p, p] for p in P1]


@pytest.fixture(scope="module")
def runtime(server, registered_model):
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=server.url,
        region_name="eu-west-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=botocore.config.Config(retries={"max_attempts": 0}),
    )


def test_json_in_json_out(runtime):
    answer = runtime.invoke_endpoint(
        EndpointName="tiny",
        ContentType="application/json",
        Body=json.dumps({"instances": [{"age": 1, "income": 1}, {"age": 3, "income": 1}]}),
        CustomAttributes="trace=7",
        InferenceId="order-17",
    )
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "1"
    assert answer["CustomAttributes"] == "trace=7"
    rows = json.loads(answer["Body"].read())["predictions"]
    np.testing.assert_allclose([row["probabilities"] for row in rows], WANTED, rtol=1e-5)


def test_the_inference_id_is_logged(server, runtime):
    body = json.dumps({"instances": [{"age": 1, "income": 1}]})
    runtime.invoke_endpoint(
        EndpointName="tiny", ContentType="application/json", Body=body, InferenceId="order-18", TargetVariant="1"
    )
    rows = server.get("/api/v1/predictions", endpoint="tiny", limit=50)["predictions"]
    mine = [row for row in rows if row["request_id"] == "order-18"]
    assert len(mine) == 1
    assert mine[0]["arm"] == "pinned"


def test_csv_without_names_in_csv_out(runtime):
    answer = runtime.invoke_endpoint(EndpointName="tiny", ContentType="text/csv", Accept="text/csv", Body="1,1\n3,1\n")
    lines = answer["Body"].read().decode().split()
    got = [[float(cell) for cell in line.split(",")] for line in lines]
    np.testing.assert_allclose(got, [[label, *row] for label, row in zip([0, 1], WANTED, strict=True)], rtol=1e-5)


@pytest.mark.parametrize(
    ("endpoint", "body", "code", "status", "text"),
    [
        ("tiny", '{"instances": [{"age": 1}]}', "ValidationError", 400, "income: "),
        ("tiny", "not json", "ValidationError", 400, "body: not JSON"),
        ("nobody", '{"instances": [{"age": 1}]}', "ValidationError", 404, "nobody"),
    ],
)
def test_what_is_wrong_is_said_in_sagemakers_terms(runtime, endpoint, body, code, status, text):
    with pytest.raises(ClientError) as raised:
        runtime.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=body)
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert text in raised.value.response["Error"]["Message"]
