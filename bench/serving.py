# SPDX-License-Identifier: Apache-2.0
"""Single-row predictions a second over OIP REST (JSON and binary) and gRPC, server on core 0, client on core 1.

A scikit-learn gradient boosting of 100 trees on 30 features is trained here, registered with the MLflow client and put
into production; every prediction is logged, as in the product. Rounds are interleaved (each measures everything once)
and medians are shown, beside the ratio to the echo of the same server and to ONNX Runtime in process. "CPU us" is the
server's processor time for one answer: on a busy machine it moves far less than the rate, so its ratio is the one to
compare. Figures go to build/bench/serving.json.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
FEATURES = 30
INFER = "/v2/models/bench/infer"
SERVER_CORE, CLIENT_CORE = "0", "1"

sys.path.insert(0, str(ROOT / "tests"))


def train():
    from skl2onnx import to_onnx
    from sklearn.ensemble import GradientBoostingClassifier

    random = np.random.default_rng(7)
    rows = random.normal(size=(2000, FEATURES)).astype(np.float32)
    labels = (rows[:, :5].sum(axis=1) + random.normal(size=2000) > 0).astype(int)
    model = GradientBoostingClassifier(n_estimators=100, random_state=7).fit(rows, labels)
    exported = to_onnx(model, rows[:1], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
    return exported, rows, model.predict_proba(rows)


def register(url: str, exported, rows: np.ndarray, probabilities: np.ndarray) -> None:
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
        mlflow.onnx.log_model(exported, name="model", registered_model_name="bench")


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
        "json": (folder / "json", ["Content-Type: application/json"]),
        "binary": (folder / "binary", [f"Inference-Header-Content-Length: {length}"]),
        "grpc": (folder / "grpc", []),
    }


class Echo:
    """The same servers, answering as many fixed bytes."""

    def __init__(self, body_bytes: int):
        command = [
            "taskset",
            "-c",
            SERVER_CORE,
            str(BUILD / "bench/slipway_bench_echo"),
            "--body-bytes",
            str(body_bytes),
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ports = dict(part.split("=") for part in self.process.stdout.readline().split())
        self.http, self.grpc = (f"127.0.0.1:{ports[name]}" for name in ("http", "grpc"))

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)


def cpu_seconds(pid: int) -> float:
    """Processor time of all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(pid: int, kind: str, address: str, target: str, request, under_way: int, seconds: float) -> dict:
    path, headers = request
    command = ["taskset", "-c", CLIENT_CORE, str(BUILD / "bench/slipway_bench_load"), kind, address, target]
    command += [str(path), str(under_way), str(seconds), *headers]
    before = cpu_seconds(pid)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120 + seconds)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    figures = json.loads(done.stdout)
    figures["cpu_us"] = (cpu_seconds(pid) - before) * 1e6 / figures["all"]
    return figures


def in_process_rate(model: pathlib.Path) -> float:
    """Runs a second of ONNX Runtime's C ABI alone."""
    command = ["taskset", "-c", SERVER_CORE, str(BUILD / "bench/inference_overhead"), str(model)]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    return 1e6 / json.loads(text)["bare_us"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--under-way", type=int, nargs="*", default=[1, 16, 64])
    options = parser.parse_args()
    from slipway_server import BINARY, Server

    exported, rows, probabilities = train()
    rates: dict[tuple[str, str, int], list[dict]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "model.onnx").write_bytes(exported.SerializeToString())
        requests = write_requests(folder, rows[:1])
        server = Server(folder / "data").start()
        subprocess.run(["taskset", "-acp", SERVER_CORE, str(server.process.pid)], check=True, capture_output=True)
        try:
            register(server.url, exported, rows, probabilities)
            for stage in ("Staging", "Production"):
                server.post("/api/v1/models/bench/versions/1/transition", {"to": stage})
            server.wait_for(lambda: server.get("/api/v1/endpoints")["endpoints"], 60, "the endpoint")
            in_process = in_process_rate(folder / "model.onnx")
            echo = Echo(300)
            try:
                service = "/inference.GRPCInferenceService/ModelInfer"
                served = {"http": (server.http, INFER), "grpc": (server.grpc, service)}
                echoed = {"http": (echo.http, "/echo"), "grpc": (echo.grpc, "/slipway.Echo/Call")}
                plan = [
                    (kind, transport, what, pid, *where[transport])
                    for kind, transport in (("json", "http"), ("binary", "http"), ("grpc", "grpc"))
                    for what, pid, where in (
                        ("served", server.process.pid, served),
                        ("echo", echo.process.pid, echoed),
                    )
                ]
                for _ in range(options.rounds):
                    for under_way in options.under_way:
                        for kind, transport, what, pid, address, target in plan:
                            measured = load(pid, transport, address, target, requests[kind], under_way, options.seconds)
                            rates.setdefault((kind, what, under_way), []).append(measured)
            finally:
                echo.stop()
        finally:
            server.stop()
    print(f"binary {BINARY.name}, {options.rounds} rounds of {options.seconds} s, {time.strftime('%Y-%m-%d')}")
    print(f"ONNX Runtime in process, one thread: {in_process:,.0f} runs/s")
    print("request  under way   served/s   p50 us   p99 us     echo/s  to echo  CPU us  echo CPU us  to echo")
    figures = {"onnxruntime_runs_per_s": in_process, "rows": []}
    for kind in ("json", "binary", "grpc"):
        for under_way in options.under_way:
            ours, bare = (rates[kind, what, under_way] for what in ("served", "echo"))
            row = {
                name: statistics.median(one[name] for one in ours) for name in ("rate", "p50_us", "p99_us", "cpu_us")
            }
            row |= {f"echo_{name}": statistics.median(one[name] for one in bare) for name in ("rate", "cpu_us")}
            figures["rows"].append({"request": kind, "under_way": under_way, **row})
            print(
                f"{kind:8} {under_way:9} {row['rate']:10,.0f} {row['p50_us']:8.0f} {row['p99_us']:8.0f} "
                f"{row['echo_rate']:10,.0f} {row['rate'] / row['echo_rate']:8.2f} {row['cpu_us']:7.1f} "
                f"{row['echo_cpu_us']:12.1f} {row['echo_cpu_us'] / row['cpu_us']:8.2f}"
            )
    best = max(row["rate"] for row in figures["rows"])
    print(f"best rate to ONNX Runtime in process: {best / in_process:.3f}")
    out = BUILD / "bench/serving.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
