# SPDX-License-Identifier: Apache-2.0
"""What the measuring scripts share: a model, a server that serves it on core 0, requests, and load from core 1.

The model is a scikit-learn gradient boosting of 100 trees on 30 features, registered with the MLflow client and put
into production as anybody would; every prediction is logged, profiled and counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
FEATURES = 30
INFER = "/v2/models/bench/infer"
GRPC_INFER = "/inference.GRPCInferenceService/ModelInfer"
JSON = ["Content-Type: application/json"]
SERVER_CORE, CLIENT_CORE = "0", "1"
# Short runs for a look, long ones for the record.
QUICK = os.environ.get("BENCH_QUICK") == "1"

sys.path.insert(0, str(ROOT / "tests"))


def train(trees: int = 100, seed: int = 7):
    from skl2onnx import to_onnx
    from sklearn.ensemble import GradientBoostingClassifier

    random = np.random.default_rng(seed)
    rows = random.normal(size=(2000, FEATURES)).astype(np.float32)
    labels = (rows[:, :5].sum(axis=1) + random.normal(size=2000) > 0).astype(int)
    model = GradientBoostingClassifier(n_estimators=trees, random_state=seed).fit(rows, labels)
    exported = to_onnx(model, rows[:1], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
    return exported, rows, model.predict_proba(rows)


def register(url: str, exported, rows: np.ndarray, probabilities: np.ndarray, name: str = "bench") -> None:
    """One version with everything that the gates ask for."""
    import mlflow
    import pandas as pd

    columns = [f"f{i}" for i in range(FEATURES)]
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("bench")
    with mlflow.start_run():
        mlflow.log_params({"trees": 100})
        mlflow.log_metrics({"holdout_auc": 0.9, "training_duration_s": 1.0})
        mlflow.set_tag("git_sha", "0" * 40)
        frame = pd.DataFrame(rows, columns=columns)
        mlflow.log_input(mlflow.data.from_pandas(frame, source="generated", name="bench-rows"), context="training")
        golden = {
            "inputs": {"dataframe_split": {"columns": columns, "data": rows[:32].tolist()}},
            "outputs": {"probabilities": probabilities[:32].tolist()},
            "tolerance": {"absolute": 1e-4, "relative": 1e-4},
        }
        mlflow.log_dict(golden, "golden/golden.json")
        baseline = {
            "columns": {column: rows[:, i].tolist() for i, column in enumerate(columns)},
            "scores": probabilities[:, 1].tolist(),
        }
        mlflow.log_dict(baseline, "monitoring/baseline.json")
        mlflow.onnx.log_model(exported, name="model", registered_model_name=name)


def put_into_production(server, name: str = "bench") -> None:
    for stage in ("Staging", "Production"):
        server.post(f"/api/v1/models/{name}/versions/1/transition", {"to": stage})
    server.wait_for(
        lambda: any(one["name"] == name for one in server.get("/api/v1/endpoints")["endpoints"]), 60, "the endpoint"
    )


def pin(pid: int, core: str = SERVER_CORE) -> None:
    subprocess.run(["taskset", "-acp", core, str(pid)], check=True, capture_output=True)


def start_pinned(server) -> None:
    """So that it counts one core from the beginning."""
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(SERVER_CORE)})
    try:
        server.start()
    finally:
        os.sched_setaffinity(0, usable)


@contextlib.contextmanager
def server_with(exported, rows: np.ndarray, probabilities: np.ndarray, *options: str):
    """A server on its core with the model in production as "bench"; its folder is `server.data`."""
    from slipway_server import Server

    with tempfile.TemporaryDirectory() as name:
        server = Server(pathlib.Path(name) / "data", *options)
        try:
            start_pinned(server)
            register(server.url, exported, rows, probabilities)
            put_into_production(server)
            pin(server.process.pid)
            yield server
        finally:
            server.stop()


def write_requests(folder: pathlib.Path, row: np.ndarray) -> dict[str, tuple[pathlib.Path, list[str]]]:
    """File and headers of the JSON and of the binary request, and of the gRPC message."""
    import tritonclient.grpc as triton_grpc
    import tritonclient.http as triton_http

    plain = triton_http.InferInput("X", list(row.shape), "FP32").set_data_from_numpy(row, binary_data=False)
    raw = triton_http.InferInput("X", list(row.shape), "FP32").set_data_from_numpy(row)
    outputs = [triton_http.InferRequestedOutput(name, binary_data=False) for name in ("label", "probabilities")]
    text, _ = triton_http.InferenceServerClient.generate_request_body([plain], outputs=outputs)
    binary, length = triton_http.InferenceServerClient.generate_request_body([raw])
    message = triton_grpc.service_pb2.ModelInferRequest(model_name="bench")
    tensor = message.inputs.add(name="X", datatype="FP32", shape=row.shape)
    assert tensor.name == "X"
    message.raw_input_contents.append(row.tobytes())
    files = {"json": text, "binary": binary, "grpc": message.SerializeToString()}
    for name, body in files.items():
        (folder / name).write_bytes(body)
    return {
        "json": (folder / "json", JSON),
        "binary": (folder / "binary", [f"Inference-Header-Content-Length: {length}"]),
        "grpc": (folder / "grpc", []),
    }


class Program:
    """A program of build/bench on the server's core that prints its ports and serves until its input ends."""

    def __init__(self, name: str, *arguments: str):
        command = ["taskset", "-c", SERVER_CORE, str(BUILD / "bench" / name), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ports = dict(part.split("=") for part in self.process.stdout.readline().split())
        self.address = {kind: f"127.0.0.1:{port}" for kind, port in ports.items()}
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(30)


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    found = [pid]
    with contextlib.suppress(FileNotFoundError):
        for child in children.read_text().split():
            found += family(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process and of what it started."""
    ticks = 0
    for one in family(pid):
        with contextlib.suppress(FileNotFoundError):
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Proportional set size: its own pages, and its share of those that others map too."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.split("\nPss:")[1].split()[0]) / 1024


def load_command(kind: str, address: str, target: str, request, under_way: int, seconds: float) -> list[str]:
    path, headers = request
    command = ["taskset", "-c", CLIENT_CORE, str(BUILD / "bench/slipway_bench_load"), kind, address, target]
    return [*command, str(path), str(under_way), str(seconds), *headers]


def load(pid: int, kind: str, address: str, target: str, request, under_way: int, seconds: float, failures=0.0) -> dict:
    """Figures of a load; more than the share `failures` of failed answers is an error."""
    command = load_command(kind, address, target, request, under_way, seconds)
    before = cpu_seconds(pid)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120 + seconds)
    figures = json.loads(done.stdout) if done.stdout.startswith("{") else None
    if figures is None or figures["failures"] > failures * max(1, figures["all"]):
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    figures["cpu_us"] = (cpu_seconds(pid) - before) * 1e6 / max(1, figures["all"])
    return figures


def save(name: str, figures) -> None:
    out = BUILD / "bench" / name
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n")
