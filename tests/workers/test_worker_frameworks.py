# SPDX-License-Identifier: Apache-2.0
"""The Python worker with models that the frameworks wrote: MLflow's flavours, TorchScript, torch.export."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from sklearn.linear_model import LogisticRegression, Ridge
from worker_client import WorkerClient, WorkerError

FRAMEWORKS = os.environ["SLIPWAY_FRAMEWORKS"]
COLUMNS = ["age", "income", "tenure"]


@pytest.fixture
def start():
    clients = []

    def begin(path, **options) -> WorkerClient:
        clients.append(WorkerClient(path, **options))
        return clients[-1]

    yield begin
    for client in clients:
        with contextlib.suppress(OSError):
            client.close()


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(3)
    return pd.DataFrame(random.normal(size=(64, 3)), columns=COLUMNS)


def test_a_table_of_one_type_is_one_input_that_names_its_columns(start, table, tmp_path):
    target = (table["age"] > table["income"]).astype(int)
    model = LogisticRegression().fit(table, target)
    signature = infer_signature(table, model.predict(table))
    mlflow.sklearn.save_model(model, tmp_path / "m", signature=signature, input_example=table.head(2))
    client = start(tmp_path / "m")
    (only,) = client.description["inputs"]
    assert only == {"name": "input", "datatype": "FP64", "shape": [-1, 3], "columns": COLUMNS}
    assert client.description["batchable"] is True
    (answer,) = client.run({"input": table.to_numpy()}).values()
    np.testing.assert_array_equal(answer, model.predict(table))


def test_columns_of_several_types_are_inputs_of_their_own_and_params_are_passed(start, tmp_path):
    class Priced(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            price = model_input["base"] * model_input["count"] * (params or {}).get("factor", 1.0)
            return pd.DataFrame({"price": price, "tag": model_input["word"].str.upper()})

    inputs = Schema([ColSpec("double", "base"), ColSpec("long", "count"), ColSpec("string", "word")])
    outputs = Schema([ColSpec("double", "price"), ColSpec("string", "tag")])
    params = ParamSchema([ParamSpec("factor", "double", 1.0)])
    signature = mlflow.models.ModelSignature(inputs=inputs, outputs=outputs, params=params)
    mlflow.pyfunc.save_model(tmp_path / "m", python_model=Priced(), signature=signature)
    client = start(tmp_path / "m")
    assert [(one["name"], one["datatype"]) for one in client.description["inputs"]] == [
        ("base", "FP64"),
        ("count", "INT64"),
        ("word", "BYTES"),
    ]
    request = {
        "base": np.array([[1.5], [2.0]]),
        "count": np.array([[2], [3]]),
        "word": np.array([["ä"], ["b"]], dtype=object),
    }
    answer = client.run(request)
    assert answer["price"].tolist() == [3, 6]
    assert [word.decode() for word in answer["tag"]] == ["Ä", "B"]
    assert client.run(request, parameters={"factor": 10.0})["price"].tolist() == [30, 60]
    with pytest.raises(WorkerError, match="INVALID_ARGUMENT"):
        client.run(request, parameters={"factor": "much"})


KINDS = [
    ("[1.5] * len(model_input)", {"output": [1.5, 1.5]}),
    ("['a'] * len(model_input)", {"output": [b"a", b"a"]}),
    ("model_input.sum(axis=1)", {"output": [2.0, 4.0]}),
    ("{'p': model_input.to_numpy()[:, 0], 'q': [1, 2]}", {"p": [1.0, 2.0], "q": [1, 2]}),
    ("model_input.to_numpy()[:, :1]", {"output": [[1.0], [2.0]]}),
    ("model_input.assign(c='x')", {"a": [1.0, 2.0], "b": [1.0, 2.0], "c": [b"x", b"x"]}),
    ("[{'k': 1}, {'k': 2}]", {"output": [b'{"k": 1}', b'{"k": 2}']}),
]


def test_every_kind_of_answer_comes_through(start, tmp_path):
    branches = "\n".join(f"        if kind == {i}:\n            return {kind}" for i, (kind, _) in enumerate(KINDS))
    (tmp_path / "kinds.py").write_text(
        "import mlflow\n\nclass Kinds(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        kind = int((params or {}).get('kind', 0))\n" + branches + "\n\nmlflow.models.set_model(Kinds())\n"
    )
    signature = mlflow.models.ModelSignature(
        inputs=Schema([ColSpec("double", "a"), ColSpec("double", "b")]),
        params=ParamSchema([ParamSpec("kind", "long", 0)]),
    )
    mlflow.pyfunc.save_model(tmp_path / "m", python_model=str(tmp_path / "kinds.py"), signature=signature)
    client = start(tmp_path / "m")
    assert client.description["outputs"] == [{"name": "output", "datatype": "FP64", "shape": [-1]}]
    for i, (_, expected) in enumerate(KINDS):
        given = client.run({"input": np.array([[1.0, 1.0], [2.0, 2.0]])}, parameters={"kind": i})
        assert {name: value.tolist() for name, value in given.items()} == expected


def test_without_a_signature_a_table_comes_by_its_columns(start, table, tmp_path):
    model = Ridge().fit(table, table["age"])
    mlflow.sklearn.save_model(model, tmp_path / "m")
    client = start(tmp_path / "m")
    assert client.description["open"] is True
    (answer,) = client.run({name: table[[name]].to_numpy() for name in COLUMNS}).values()
    np.testing.assert_allclose(answer, model.predict(table))


def made_by_frameworks(folder, code: str) -> None:
    (folder / "make.py").write_text(textwrap.dedent(code))
    done = subprocess.run(
        [FRAMEWORKS, "make.py"], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip
    (folder / "make.py").unlink()
    assert done.returncode == 0, done.stderr


NET = """
    import torch
    torch.manual_seed(0)
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 2)
        def forward(self, features):
            return torch.relu(self.layer(features)), features.sum(dim=1)
    net = Net().eval()
    x = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    import numpy
    numpy.save("expected.npy", net(x)[0].detach().numpy())
"""


@pytest.mark.parametrize("kind", ["script", "export"])
def test_torch_programs(start, tmp_path, monkeypatch, kind):
    save = {
        "script": 'torch.jit.script(net).save("model.pt")',
        "export": 'torch.export.save(torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("n")},)), '
        '"model.pt2")',
    }[kind]
    made_by_frameworks(tmp_path, textwrap.dedent(NET) + save)
    monkeypatch.setattr(sys, "executable", FRAMEWORKS)
    client = start(tmp_path)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    if kind == "export":
        assert client.description["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 3]}]
        assert [one["shape"] for one in client.description["outputs"]] == [[-1, 2], [-1]]
    for rows in (2, 1, 2):
        answer = client.run({"features": x[:rows]})
        np.testing.assert_allclose(answer["OUTPUT__0"], np.load(tmp_path / "expected.npy")[:rows], rtol=1e-5)
        np.testing.assert_allclose(answer["OUTPUT__1"], x[:rows].sum(axis=1))


def test_a_booster_of_xgboost_through_its_flavor(start, tmp_path, monkeypatch):
    made_by_frameworks(
        tmp_path,
        """
        import mlflow, numpy as np, pandas as pd, xgboost
        random = np.random.default_rng(0)
        table = pd.DataFrame(random.normal(size=(200, 3)).astype("float32"), columns=["age", "income", "tenure"])
        model = xgboost.XGBRegressor(n_estimators=5).fit(table, table["age"])
        signature = mlflow.models.infer_signature(table, model.predict(table))
        mlflow.xgboost.save_model(model, "m", signature=signature)
        np.savez("golden.npz", x=table.to_numpy()[:8], y=model.predict(table)[:8])
        """,
    )
    monkeypatch.setattr(sys, "executable", FRAMEWORKS)
    client = start(tmp_path / "m")
    golden = np.load(tmp_path / "golden.npz")
    (answer,) = client.run({"input": golden["x"]}).values()
    np.testing.assert_array_equal(answer, golden["y"])
