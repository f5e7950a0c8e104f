# SPDX-License-Identifier: Apache-2.0
"""The Python worker by itself: every style of model, over the real conversation."""

from __future__ import annotations

import contextlib
import textwrap

import numpy as np
import pytest
from worker_client import WorkerClient, WorkerError


@pytest.fixture
def start(tmp_path):
    clients = []

    def begin(files: dict[str, str], path: str = "", **options) -> WorkerClient:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(textwrap.dedent(text))
        clients.append(WorkerClient(tmp_path / path if path else tmp_path, **options))
        return clients[-1]

    yield begin
    for client in clients:
        with contextlib.suppress(OSError):
            client.close()


DOUBLE = """
    class Double:
        inputs = {"x": ("FP32", [-1, 2])}
        outputs = {"y": "FP32 [-1, 2]"}

        def load(self, folder):
            self.factor = float(open(folder + "/factor.txt").read())

        def predict(self, inputs):
            return {"y": inputs["x"] * self.factor}
"""


def test_a_plain_class_is_described_loaded_and_run(start):
    client = start({"model.py": DOUBLE, "factor.txt": "2"})
    assert client.description["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    assert client.description["batchable"] is True
    for rows in (1, 3, 1, 3000, 2):
        x = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
        np.testing.assert_array_equal(client.run({"x": x})["y"], x * 2)


def test_answers_have_the_type_that_was_described(start):
    client = start(
        {
            "model.py": """
                import numpy as np
                class M:
                    inputs = {"x": ("FP32", [-1])}
                    outputs = {"y": ("FP32", [-1])}
                    def predict(self, inputs):
                        return inputs["x"].astype(np.float64) + 1
            """
        }
    )
    answer = client.run({"x": np.array([1, 2], np.float32)})
    assert answer["y"].dtype == np.float32
    np.testing.assert_array_equal(client.run({"x": np.array([5, 6], np.float32)})["y"], [6, 7])


def test_every_type_and_strings_come_through_unchanged(start):
    client = start(
        {
            "model.py": """
                class M:
                    def predict(self, inputs):
                        return {name: value for name, value in inputs.items()}
            """
        }
    )
    assert client.description["open"] is True
    types = ["?", "u1", "<u2", "<u4", "<u8", "i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8"]
    inputs = {f"t{i}": np.array([[0, 1, 1]], dtype=name) for i, name in enumerate(types)}
    inputs["words"] = np.array([["a", "", "b\0ü"]], dtype=object)
    inputs["empty"] = np.zeros((0, 4), np.float32)
    answer = client.run(inputs)
    for name, value in inputs.items():
        if name == "words":
            assert answer[name].tolist() == [[b"a", b"", "b\0ü".encode()]]
        else:
            np.testing.assert_array_equal(answer[name], value)
            assert answer[name].dtype == value.dtype


def test_an_input_that_the_model_keeps_is_never_written_again(start):
    client = start(
        {
            "model.py": """
                import numpy as np
                class M:
                    inputs = {"x": ("FP32", [-1])}
                    def load(self, folder):
                        self.seen = []
                    def predict(self, inputs):
                        self.seen.append(inputs["x"][:1])  # a view of the shared memory
                        return {"all": np.concatenate(self.seen[-3:])}
            """
        }
    )
    client.run({"x": np.array([1], np.float32)})
    assert client.kept
    client.run({"x": np.array([2], np.float32)})
    assert client.run({"x": np.array([3], np.float32)})["all"].tolist() == [1, 2, 3]


def test_a_model_that_keeps_nothing_shares_one_piece_of_memory(start):
    client = start({"model.py": DOUBLE, "factor.txt": "3"})
    for _ in range(5):
        client.run({"x": np.ones((2, 2), np.float32)})
        assert not client.kept
    assert len(client.segments) == 2  # one each way


def test_what_the_model_raises_is_told_and_the_worker_goes_on(start):
    client = start(
        {
            "model.py": """
                class M:
                    inputs = {"x": ("INT64", [-1])}
                    def predict(self, inputs):
                        if inputs["x"][0] < 0:
                            raise ValueError("negative: " + str(inputs["x"][0]))
                        return inputs["x"]
            """
        }
    )
    with pytest.raises(WorkerError, match=r"INTERNAL model_raised: ValueError: negative: -1"):
        client.run({"x": np.array([-1])})
    assert client.run({"x": np.array([7])})["output"].tolist() == [7]


def test_parameters_outputs_and_coroutines(start):
    client = start(
        {
            "model.py": """
                class M:
                    inputs = {"x": ("INT64", [-1])}
                    outputs = {"a": ("INT64", [-1]), "b": ("INT64", [-1])}
                    async def predict(self, inputs, parameters):
                        return inputs["x"] + parameters.get("add", 0), inputs["x"]
            """
        }
    )
    assert client.run({"x": np.array([1])}, parameters={"add": 4}, outputs=["a"])["a"].tolist() == [5]
    assert list(client.run({"x": np.array([1])}, outputs=["b"])) == ["b"]


def test_a_generator_gives_any_number_of_answers(start):
    client = start(
        {
            "model.py": """
                import numpy as np
                class M:
                    inputs = {"n": ("INT64", [1])}
                    outputs = {"y": ("INT64", [1])}
                    def predict(self, inputs):
                        for i in range(int(inputs["n"][0])):
                            yield np.array([i])
            """
        }
    )
    assert client.description["decoupled"] is True
    parts = client.stream({"n": np.array([3])})
    assert [part["y"].tolist() for part in parts] == [[0], [1], [2]]
    assert len(client.stream({"n": np.array([1000])}, stop_after=2)) == 2
    assert client.stream({"n": np.array([0])}) == []


TRITON = """
    import json
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        @staticmethod
        def auto_complete_config(config):
            config.add_input({"name": "IN", "data_type": "TYPE_FP32", "dims": [2]})
            config.add_input({"name": "WORD", "data_type": "TYPE_STRING", "dims": [1]})
            config.add_output({"name": "OUT", "data_type": "TYPE_FP32", "dims": [2]})
            config.add_output({"name": "UPPER", "data_type": "TYPE_STRING", "dims": [1]})
            config.set_max_batch_size(8)
            config.set_dynamic_batching()
            return config

        def initialize(self, args):
            self.config = json.loads(args["model_config"])
            out = pb_utils.get_output_config_by_name(self.config, "OUT")
            self.dtype = pb_utils.triton_string_to_numpy(out["data_type"])
            self.scale = float(self.config["parameters"]["scale"]["string_value"])

        def execute(self, requests):
            responses = []
            for request in requests:
                x = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
                word = pb_utils.get_input_tensor_by_name(request, "WORD").as_numpy()
                if x[0, 0] < 0:
                    error = pb_utils.TritonError("IN is negative", pb_utils.TritonError.INVALID_ARG)
                    responses.append(pb_utils.InferenceResponse(output_tensors=[], error=error))
                    continue
                upper = np.array([[w.upper()] for w in word[:, 0]], dtype=np.object_)
                out = (x * self.scale).astype(self.dtype)
                responses.append(pb_utils.InferenceResponse(output_tensors=[
                    pb_utils.Tensor("OUT", out), pb_utils.Tensor("UPPER", upper)]))
            return responses

        def finalize(self):
            print("finalized")
"""


def test_a_model_of_tritons_python_backend(start):
    client = start({"model.py": TRITON}, parameters={"scale": "2.5"})
    assert client.description["batchable"] is True
    assert client.description["inputs"][0] == {"name": "IN", "datatype": "FP32", "shape": [-1, 2]}
    inputs = {"IN": np.array([[1, 2]], np.float32), "WORD": np.array([["abc"]], dtype=object)}
    answer = client.run(inputs)
    assert answer["OUT"].tolist() == [[2.5, 5]]
    assert answer["UPPER"].tolist() == [[b"ABC"]]
    with pytest.raises(WorkerError, match="INVALID_ARGUMENT model_raised: IN is negative"):
        client.run({**inputs, "IN": -inputs["IN"]})
    assert "finalized" in client.close()


def test_tritons_response_sender_streams(start):
    client = start(
        {
            "model.py": """
                import numpy as np
                import triton_python_backend_utils as pb_utils

                class TritonPythonModel:
                    def execute(self, requests):
                        for request in requests:
                            sender = request.get_response_sender()
                            n = int(pb_utils.get_input_tensor_by_name(request, "N").as_numpy()[0])
                            for i in range(n):
                                tensor = pb_utils.Tensor("I", np.array([i], np.int32))
                                sender.send(pb_utils.InferenceResponse([tensor]))
                            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            """
        },
        config={"inputs": [{"name": "N", "datatype": "INT32", "shape": [1]}], "decoupled": True},
    )
    parts = client.stream({"N": np.array([3], np.int32)})
    assert [part["I"].tolist() for part in parts] == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({"model.py": "x = 1 +"}, "", "SyntaxError"),
        ({"model.py": "x = 1"}, "", "has 0 classes with a method predict"),
        ({"notes.txt": ""}, "", "the version has no MLmodel"),
        ({"model-settings.json": '{"implementation": "m.M"}'}, "", "the environment has no mlserver"),
        ({"model.py": "class M:\n inputs = {'x': 'FP31 [1]'}\n def predict(self, i): pass"}, "", "'FP31' is no type"),
    ],
)  # fmt: skip
def test_what_is_no_model_is_refused_with_the_reason(start, files, path, message):
    with pytest.raises(WorkerError, match="INVALID_ARGUMENT bad_model") as refused:
        start(files, path)
    assert message in refused.value.told["message"]
