# SPDX-License-Identifier: Apache-2.0
"""Callers as a booking site has them: flights in, probabilities and prediction ids out, over three protocols."""

from __future__ import annotations

import dataclasses

import flights_data
import numpy as np
import pandas as pd
import requests
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

MODEL = "flights"
TRIES = 2


@dataclasses.dataclass
class Answer:
    prediction_ids: list[str]  # one a row
    scores: np.ndarray  # P(late), one a row
    version: str


class CallFailedError(Exception):
    """A request that failed even when tried again."""


def _row_ids(prediction_id: str, rows: int) -> list[str]:
    return [prediction_id] if rows == 1 else [f"{prediction_id}.{row}" for row in range(rows)]


def _tensors(rows: pd.DataFrame, make_input) -> list:
    inputs = []
    for name in flights_data.FEATURES:
        text = name in flights_data.CATEGORIES
        values = rows[name].to_numpy(dtype=object if text else np.float32).reshape(-1, 1)
        tensor = make_input(name, list(values.shape), "BYTES" if text else "FP32")
        tensor.set_data_from_numpy(values)
        inputs.append(tensor)
    return inputs


class HttpCaller:
    """Open Inference Protocol over HTTP with binary tensors, by tritonclient."""

    name = "oip_http"

    def __init__(self, http: str):
        self.client = triton_http.InferenceServerClient(http)

    def call(self, rows: pd.DataFrame) -> Answer:
        result = self.client.infer(MODEL, _tensors(rows, triton_http.InferInput))
        response = result.get_response()
        scores = result.as_numpy("probabilities")[:, 1]
        return Answer(_row_ids(response["parameters"]["prediction_id"], len(rows)), scores, response["model_version"])


class GrpcCaller:
    """The same over gRPC."""

    name = "oip_grpc"

    def __init__(self, grpc: str):
        self.client = triton_grpc.InferenceServerClient(grpc)

    def call(self, rows: pd.DataFrame) -> Answer:
        result = self.client.infer(MODEL, _tensors(rows, triton_grpc.InferInput))
        response = result.get_response()
        scores = result.as_numpy("probabilities")[:, 1]
        prediction_id = response.parameters["prediction_id"].string_param
        return Answer(_row_ids(prediction_id, len(rows)), scores, response.model_version)


class InvocationsCaller:
    """MLflow's scoring protocol, plain JSON."""

    name = "invocations"

    def __init__(self, http: str):
        self.session = requests.Session()
        self.url = f"http://{http}/endpoints/{MODEL}/invocations"

    def call(self, rows: pd.DataFrame) -> Answer:
        table = rows[flights_data.FEATURES].astype(object)
        data = table.where(table.notna(), None).to_numpy().tolist()
        body = {"dataframe_split": {"columns": flights_data.FEATURES, "data": data}}
        answer = self.session.post(self.url, json=body, timeout=30)
        answer.raise_for_status()
        scores = np.array([row["probabilities"][1] for row in answer.json()["predictions"]])
        headers = answer.headers
        return Answer(
            _row_ids(headers["slipway-prediction-id"], len(rows)), scores, headers.get("slipway-model-version", "")
        )


class Counted:
    """Counts what a caller sends and gets, and tries a failed request once more, as clients do."""

    def __init__(self, caller):
        self.caller = caller
        self.requests = 0
        self.rows = 0
        self.answered = 0
        self.first_failures = 0
        self.failures = 0

    def call(self, rows: pd.DataFrame) -> Answer:
        self.requests += 1
        self.rows += len(rows)
        for attempt in range(1, TRIES + 1):
            try:
                answer = self.caller.call(rows)
            except Exception as error:
                self.first_failures += attempt == 1
                if attempt == TRIES:
                    self.failures += 1
                    raise CallFailedError(f"{self.caller.name}: {error}") from error
            else:
                self.answered += len(rows)
                return answer
        raise AssertionError("unreachable")
