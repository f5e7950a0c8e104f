# SPDX-License-Identifier: Apache-2.0
"""Models that are Python code, from the real MLflow client through the gates to callers; and what happens when they
crash, hang, take too much memory or want the network."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import signal
import textwrap
import time
import zipfile

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression
from slipway_server import Server

PYTHON = os.environ["SLIPWAY_PYTHON"]
COLUMNS = ["age", "income", "tenure"]


def settings(*pairs: str) -> list[str]:
    return [part for pair in pairs for part in ("--set", pair)]


UNTESTED = {"force": True, "reason": "there is no golden set: the test says what is right"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(
        tmp_path_factory.mktemp("python-models"),
        *settings(f"python.interpreter={PYTHON}", "python.run_timeout=3s", "python.memory_mb=4096"),
    ).start()
    mlflow.set_tracking_uri(running.url)
    mlflow.set_registry_uri(running.url)
    yield running
    workers = workers_of(running)
    assert running.stop() == 0, running.log_tail()
    assert workers
    assert not [pid for pid in workers if pathlib.Path(f"/proc/{pid}").exists()]


def workers_of(server: Server) -> list[int]:
    found = []
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def promote(server: Server, name: str, version: int, **force) -> None:
    for stage in ("Staging", "Production"):
        server.post(f"/api/v1/models/{name}/versions/{version}/transition", {"to": stage, **force})
    server.wait_for(
        lambda: any(e["name"] == name for e in server.get("/api/v1/endpoints")["endpoints"]), 60, f"endpoint {name}"
    )


def register_folder(server: Server, name: str, files: dict[str, str | bytes], folder: pathlib.Path) -> int:
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    mlflow.set_experiment("python-models")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(folder), "model")
    client = MlflowClient()
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    return int(client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id).version)


def infer(server: Server, name: str, inputs: list[dict]) -> requests.Response:
    return requests.post(f"{server.url}/v2/models/{name}/infer", json={"inputs": inputs}, timeout=60)


@pytest.fixture(scope="module")
def sklearn_model(server):
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(200, 3)), columns=COLUMNS)
    model = LogisticRegression().fit(table, (table["age"] > table["tenure"]).astype(int))
    mlflow.set_experiment("python-models")
    with mlflow.start_run():
        mlflow.log_params({"C": 1.0})
        mlflow.log_metrics({"holdout_auc": 0.9, "training_duration_s": 0.1})
        mlflow.set_tag("git_sha", "0123456789abcdef0123456789abcdef01234567")
        mlflow.log_input(mlflow.data.from_pandas(table, source="generated", name="rows"), context="training")
        golden = {
            "inputs": {"dataframe_split": {"columns": COLUMNS[::-1], "data": table[COLUMNS[::-1]].values.tolist()}},
            "outputs": {"output": model.predict(table).tolist()},
        }
        mlflow.log_dict(golden, "golden/golden.json")
        signature = mlflow.models.infer_signature(table, model.predict(table))
        info = mlflow.sklearn.log_model(
            model, name="model", signature=signature, input_example=table.head(2), registered_model_name="scikit"
        )
    promote(server, "scikit", int(info.registered_model_version))
    return table, model


def test_a_model_of_scikit_learn_is_served_from_its_pickle(server, sklearn_model):
    table, model = sklearn_model
    metadata = server.get("/v2/models/scikit")
    assert metadata["platform"] == "mlflow_pyfunc"
    assert metadata["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 3]}]
    data = table.head(50).to_numpy()
    answer = infer(
        server, "scikit", [{"name": "input", "datatype": "FP64", "shape": [50, 3], "data": data.ravel().tolist()}]
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0]["data"] == model.predict(table.head(50)).tolist()


def test_a_table_is_matched_by_the_names_of_its_columns(server, sklearn_model):
    table, model = sklearn_model
    shuffled = table.head(20)[["tenure", "age", "income"]]
    url = f"{server.url}/endpoints/scikit/invocations"
    answer = requests.post(url, json={"dataframe_split": shuffled.to_dict(orient="split", index=False)}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == model.predict(table.head(20)).tolist()
    short = shuffled.drop(columns="income").to_dict(orient="split", index=False)
    refused = requests.post(url, json={"dataframe_split": short}, timeout=60)
    assert refused.status_code == 400
    assert "income" in refused.text


def test_many_callers_get_each_their_own_answer(server, sklearn_model):
    table, model = sklearn_model
    expected = model.predict(table)

    def ask(i: int) -> bool:
        row = table.iloc[[i]].to_numpy().ravel().tolist()
        answer = infer(server, "scikit", [{"name": "input", "datatype": "FP64", "shape": [1, 3], "data": row}])
        return answer.status_code == 200 and answer.json()["outputs"][0]["data"] == [int(expected[i])]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(200)))


DANGEROUS = """
    import os, socket, time
    import numpy as np

    class Dangerous:
        inputs = {"what": ("BYTES", [1])}
        outputs = {"pid": ("INT64", [1])}

        def predict(self, inputs):
            what = inputs["what"][0]
            if what == "leave":
                print("leaving now", flush=True)
                os._exit(9)
            if what == "hang":
                while True:
                    pass
            if what == "sleep":
                time.sleep(2.5)
            if what == "eat":
                return {"pid": np.ones(1 << 31).astype(int)}
            if what == "network":
                socket.create_connection(("127.0.0.1", 80), timeout=1)
            if what == "raise":
                raise KeyError("no such thing")
            return {"pid": np.array([os.getpid()])}
"""


@pytest.fixture(scope="module")
def dangerous(server, tmp_path_factory):
    version = register_folder(server, "dangerous", {"model.py": DANGEROUS}, tmp_path_factory.mktemp("d") / "m")
    promote(server, "dangerous", version, **UNTESTED)

    def ask(what: str) -> requests.Response:
        return infer(server, "dangerous", [{"name": "what", "datatype": "BYTES", "shape": [1], "data": [what]}])

    assert ask("nothing").status_code == 200
    return ask


def pid_of(answer: requests.Response) -> int:
    assert answer.status_code == 200, answer.text
    return answer.json()["outputs"][0]["data"][0]


def test_a_crash_is_told_and_the_next_caller_is_answered(dangerous):
    before = pid_of(dangerous("nothing"))
    crashed = dangerous("leave")
    assert crashed.status_code == 500
    assert "status 9" in crashed.text
    assert "leaving now" in crashed.text
    assert pid_of(dangerous("nothing")) != before


def test_a_worker_that_is_killed_in_flight_fails_that_call_only(dangerous):
    pid = pid_of(dangerous("nothing"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        flight = pool.submit(dangerous, "sleep")
        time.sleep(0.5)  # it is in flight for two more seconds
        os.kill(pid, signal.SIGKILL)
        killed = flight.result()
    assert killed.status_code == 500
    assert "signal 9" in killed.text
    assert pid_of(dangerous("nothing")) != pid


def test_a_run_without_end_is_ended(dangerous):
    answer = dangerous("hang")
    assert answer.status_code in (500, 504)
    assert "longer than 3s" in answer.text
    pid_of(dangerous("nothing"))


def test_a_run_that_eats_memory_is_refused_it(dangerous):
    answer = dangerous("eat")
    assert answer.status_code == 500
    assert "python.memory_mb" in answer.text
    pid_of(dangerous("nothing"))


def test_there_is_no_network(dangerous):
    answer = dangerous("network")
    assert answer.status_code == 500
    assert "python.network" in answer.text


def test_an_exception_is_told_and_its_traceback_logged(server, dangerous):
    before = pid_of(dangerous("nothing"))
    answer = dangerous("raise")
    assert answer.status_code == 500
    assert "no such thing" in answer.text
    assert pid_of(dangerous("nothing")) == before
    server.wait_for(lambda: "line 22, in predict" in server.log_tail(200), 10, "the traceback in the log")


def test_a_version_that_cannot_be_loaded_stays_out_of_staging(server, tmp_path):
    version = register_folder(server, "broken", {"model.py": "import not_there"}, tmp_path / "m")
    refused = server.post(f"/api/v1/models/broken/versions/{version}/transition", {"to": "Staging"}, expect=400)
    assert "not_there" in str(refused)


def wheel(folder: pathlib.Path, answer: int) -> pathlib.Path:
    """The smallest package that pip installs: nothing of it comes from anywhere else."""
    path = folder / "slipway_tiny_need-1.0-py3-none-any.whl"
    info = "slipway_tiny_need-1.0.dist-info"
    files = {
        "slipway_tiny_need.py": f"ANSWER = {answer}\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: slipway-tiny-need\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
    return path


NEEDS = """
    import sys
    import numpy as np
    import slipway_tiny_need

    class Needs:
        inputs = {"x": ("INT64", [-1])}
        outputs = {"y": ("INT64", [-1])}

        def predict(self, inputs):
            assert "environments" in sys.prefix
            return {"y": inputs["x"] * slipway_tiny_need.ANSWER}
"""


def test_an_environment_is_built_once_from_the_versions_requirements(tmp_path):
    need = wheel(tmp_path, 7)
    running = Server(tmp_path / "data", *settings(f"python.interpreter={PYTHON}", "python.environments=venv")).start()
    try:
        mlflow.set_tracking_uri(running.url)
        mlflow.set_registry_uri(running.url)
        files = {"model.py": NEEDS, "requirements.txt": f"slipway-tiny-need @ {need.as_uri()}\n"}
        for i in range(2):
            version = register_folder(running, "needs", files, tmp_path / f"m{i}")
            promote(running, "needs", version, **UNTESTED)
            answer = infer(running, "needs", [{"name": "x", "datatype": "INT64", "shape": [2], "data": [1, 6]}])
            assert answer.status_code == 200, answer.text
            assert answer.json()["outputs"][0]["data"] == [7, 42]
        built = [path for path in (tmp_path / "data" / "python" / "environments").iterdir() if path.is_dir()]
        assert len(built) == 1
        assert running.log_tail(10_000).count("building an environment") == 1
    finally:
        running.stop()
