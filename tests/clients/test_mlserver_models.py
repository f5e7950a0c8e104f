# SPDX-License-Identifier: Apache-2.0
"""A model class over the real mlserver.MLModel, served by our worker. mlserver needs other packages than ours, so it
is there only where `make bench` has set its peers up; elsewhere this file is skipped."""

from __future__ import annotations

import os
import pathlib
import textwrap

import mlflow
import numpy as np
import pytest
import tritonclient.http as triton_http
from mlflow import MlflowClient
from slipway_server import Server
from tritonclient.utils import InferenceServerException

CACHE = pathlib.Path(os.environ.get("SLIPWAY_CACHE", pathlib.Path.home() / ".cache" / "slipway"))
INTERPRETERS = sorted(CACHE.glob("peers-mlserver-*/bin/python"))
pytestmark = pytest.mark.skipif(not INTERPRETERS, reason="mlserver is not set up here (bench/run_peers sets it up)")

MODEL = """
    from mlserver import MLModel
    from mlserver.codecs import NumpyCodec, StringCodec
    from mlserver.errors import InferenceError
    from mlserver.types import InferenceRequest, InferenceResponse

    class Doubles(MLModel):
        async def load(self) -> bool:
            self.factor = float(open(self.settings.parameters.uri + "/factor.txt").read())
            return True

        async def predict(self, payload: InferenceRequest) -> InferenceResponse:
            sent = {one.name: one for one in payload.inputs}
            x = NumpyCodec.decode_input(sent["x"])
            if (x < 0).any():
                raise InferenceError("x is negative")
            words = StringCodec.decode_input(sent["words"])
            return InferenceResponse(
                model_name=self.name,
                outputs=[
                    NumpyCodec.encode_output("y", x * self.factor),
                    StringCodec.encode_output("loud", [word.upper() for word in words]),
                ],
            )
"""
SETTINGS = """
    {
      "name": "doubles",
      "implementation": "doubles.Doubles",
      "inputs": [
        {"name": "x", "datatype": "FP64", "shape": [-1, 2]},
        {"name": "words", "datatype": "BYTES", "shape": [-1]}
      ],
      "outputs": [
        {"name": "y", "datatype": "FP64", "shape": [-1, 2]},
        {"name": "loud", "datatype": "BYTES", "shape": [-1, 1]}
      ]
    }
"""


def test_a_class_over_mlservers_own_answers_its_callers(tmp_path):
    server = Server(tmp_path / "data", "--set", f"python.interpreter={INTERPRETERS[-1]}").start()
    try:
        mlflow.set_tracking_uri(server.url)
        mlflow.set_registry_uri(server.url)
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "doubles.py").write_text(textwrap.dedent(MODEL))
        (folder / "model-settings.json").write_text(textwrap.dedent(SETTINGS))
        (folder / "factor.txt").write_text("2.5")
        mlflow.set_experiment("mlserver")
        with mlflow.start_run() as run:
            mlflow.log_artifacts(str(folder), "model")
        client = MlflowClient()
        client.create_registered_model("doubles")
        made = client.create_model_version("doubles", f"runs:/{run.info.run_id}/model", run.info.run_id)
        for stage in ("Staging", "Production"):
            url = f"/api/v1/models/doubles/versions/{made.version}/transition"
            server.post(url, {"to": stage, "force": True, "reason": "the test says what is right"})
        caller = triton_http.InferenceServerClient(server.http)
        server.wait_for(lambda: caller.is_model_ready("doubles"), 60, "the model")
        assert caller.get_model_metadata("doubles")["platform"] == "mlserver"

        def ask(x: np.ndarray):
            words = np.array(["low", "quiet"], dtype=object)
            return caller.infer(
                "doubles",
                [
                    triton_http.InferInput("x", [2, 2], "FP64").set_data_from_numpy(x),
                    triton_http.InferInput("words", [2], "BYTES").set_data_from_numpy(words),
                ],
            )

        x = np.array([[1, 2], [3, 4]], np.float64)
        answer = ask(x)
        np.testing.assert_array_equal(answer.as_numpy("y"), x * 2.5)
        assert answer.as_numpy("loud").tolist() == [[b"LOW"], [b"QUIET"]]
        with pytest.raises(InferenceServerException, match="x is negative") as refused:
            ask(-x)
        assert refused.value.status() == "400"
    finally:
        server.stop()
