# SPDX-License-Identifier: Apache-2.0
"""The same model behind other servers, each with its own client's request, on the same core in the same run.

Triton (its Python backend), MLServer, BentoML and `mlflow models serve` all run ONNX Runtime with one thread. Figures
go to build/bench/peers.json. "floor" is the smallest Boost.Beast server, which only echoes.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy as np
import served

START_TIMEOUT_S = 120
# BentoML answers some requests with errors when it is busy; its good answers are what counts.
FAILURES = 0.05

SESSION = """
import numpy as np
import onnxruntime as ort


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
"""

TRITON_MODEL = """
import os
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.session = session(os.path.join(os.path.dirname(__file__), "model.onnx"))

    def execute(self, requests):
        rows = [pb.get_input_tensor_by_name(one, "X").as_numpy() for one in requests]
        labels, scores = self.session.run(None, {"X": np.concatenate(rows)})
        answers, first = [], 0
        for one in rows:
            part = slice(first, first + len(one))
            first += len(one)
            tensors = [pb.Tensor("label", labels[part].reshape(-1, 1)), pb.Tensor("probabilities", scores[part])]
            answers.append(pb.InferenceResponse(output_tensors=tensors))
        return answers
"""

TRITON_CONFIG = """
name: "bench"
backend: "python"
max_batch_size: 64
input [{ name: "X", data_type: TYPE_FP32, dims: [30] }]
output [{ name: "label", data_type: TYPE_INT64, dims: [1] }, { name: "probabilities", data_type: TYPE_FP32, dims: [2] }]
dynamic_batching { max_queue_delay_microseconds: 0 }
instance_group [{ count: 1, kind: KIND_CPU }]
"""

MLSERVER_MODEL = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Bench(MLModel):
    async def load(self):
        self.session = session(self.settings.parameters.uri)
        return True

    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0])
        labels, scores = self.session.run(None, {"X": rows.astype(np.float32)})
        outputs = [NumpyCodec.encode_output("label", labels), NumpyCodec.encode_output("probabilities", scores)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
"""

BENTO_SERVICE = """
import bentoml


@bentoml.service(workers=1)
class Bench:
    def __init__(self):
        self.session = session("model.onnx")

    @bentoml.api(batchable=True, max_batch_size=64)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"X": rows.astype(np.float32)})[1]
"""


@dataclasses.dataclass
class Peer:
    name: str
    command: list[str]
    target: str
    body: bytes
    folder: pathlib.Path
    port: int
    environment: dict[str, str] = dataclasses.field(default_factory=dict)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment_of(name: str) -> pathlib.Path:
    """Where scripts/setup put a peer."""
    script = f'source scripts/env.sh && slipway_part "peers-{name}" "deps/peers-{name}.lock"'
    done = subprocess.run(["bash", "-c", script], cwd=served.ROOT, capture_output=True, text=True, check=True)
    return pathlib.Path(done.stdout.strip())


def triton(folder: pathlib.Path, model: pathlib.Path, oip: bytes) -> Peer:
    venv = environment_of("triton")
    version = folder / "models/bench/1"
    version.mkdir(parents=True)
    shutil.copy(model, version / "model.onnx")
    (version / "model.py").write_text(SESSION + TRITON_MODEL)
    (folder / "models/bench/config.pbtxt").write_text(TRITON_CONFIG)
    packages = next(venv.glob("lib/python3*/site-packages"))
    bundle = packages / "pytriton/tritonserver"
    backends = folder / "backends"
    shutil.copytree(bundle / "backends", backends)
    stub = bundle / "python_backend_stubs/3.11/triton_python_backend_stub"
    shutil.copy(stub, backends / "python/triton_python_backend_stub")
    port = free_port()
    command = [str(bundle / "bin/tritonserver"), "--model-repository", str(folder / "models")]
    command += ["--backend-directory", str(backends), "--http-address", "127.0.0.1", "--http-port", str(port)]
    command += ["--allow-metrics", "false", "--allow-grpc", "false"]
    libraries = subprocess.run(
        [str(venv / "bin/python"), "-c", "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    environment = {
        "LD_LIBRARY_PATH": f"{packages / 'nvidia_pytriton.libs'}:{libraries}",
        "PYTHONPATH": str(packages),
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
    }
    return Peer("Triton", command, served.INFER, oip, folder, port, environment)


def mlserver(folder: pathlib.Path, model: pathlib.Path, oip: bytes) -> Peer:
    venv = environment_of("mlserver")
    port = free_port()
    (folder / "bench_model.py").write_text(SESSION + MLSERVER_MODEL)
    settings = {
        "name": "bench",
        "implementation": "bench_model.Bench",
        "parameters": {"uri": str(model)},
        "max_batch_size": 32,
        "max_batch_time": 0.0005,
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "parallel_workers": 0, **ports}))
    return Peer("MLServer", [str(venv / "bin/mlserver"), "start", str(folder)], served.INFER, oip, folder, port)


def bentoml(folder: pathlib.Path, model: pathlib.Path, row: np.ndarray) -> Peer:
    venv = environment_of("bentoml")
    port = free_port()
    (folder / "service.py").write_text(SESSION + BENTO_SERVICE)
    shutil.copy(model, folder / "model.onnx")
    command = [str(venv / "bin/bentoml"), "serve", "service:Bench", "--host", "127.0.0.1", "--port", str(port)]
    environment = {"BENTOML_HOME": str(folder / "home"), "BENTOML_DO_NOT_TRACK": "True"}
    return Peer("BentoML", command, "/predict", json.dumps({"rows": row.tolist()}).encode(), folder, port, environment)


def mlflow(folder: pathlib.Path, model: pathlib.Path, row: np.ndarray) -> Peer:
    import mlflow.onnx
    import onnx

    port = free_port()
    mlflow.onnx.save_model(onnx.load(model), str(folder / "model"), onnx_session_options={"intra_op_num_threads": 1})
    command = [str(pathlib.Path(sys.executable).parent / "mlflow"), "models", "serve", "-m", str(folder / "model")]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    body = json.dumps({"inputs": {"X": row.tolist()}}).encode()
    return Peer("mlflow models serve", command, "/invocations", body, folder, port)


def answers(peer: Peer) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{peer.port}{peer.target}", peer.body)
    request.add_header("Content-Type", "application/json")
    with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5) as answer:
        return answer.status == 200
    return False


@contextlib.contextmanager
def running(peer: Peer):
    log = peer.folder / "log"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | peer.environment
    with open(log, "wb") as out:
        process = subprocess.Popen(
            ["taskset", "-c", served.SERVER_CORE, *peer.command],
            cwd=peer.folder,
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    began = time.monotonic()
    try:
        while not answers(peer):
            if process.poll() is not None or time.monotonic() > began + START_TIMEOUT_S:
                raise RuntimeError(f"{peer.name} did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        yield process.pid, time.monotonic() - began
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def measure_peer(make, folder: pathlib.Path, model: pathlib.Path, payload, options) -> list[dict]:
    folder.mkdir()
    peer = make(folder, model, payload)
    body = folder / "request"
    body.write_bytes(peer.body)
    rows = []
    with running(peer) as (pid, start_s):
        for under_way in options.under_way:
            cell = ("http", f"127.0.0.1:{peer.port}", peer.target, (body, served.JSON), under_way, options.seconds)
            row = served.load(pid, *cell, failures=FAILURES)
            memory = sum(served.memory_mib(one) for one in served.family(pid))
            rows.append({"server": peer.name, "under_way": under_way, "start_s": start_s, "pss_mib": memory, **row})
    return rows


def measure(options) -> list[dict]:
    exported, rows, probabilities = served.train()
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = folder / "model.onnx"
        model.write_bytes(exported.SerializeToString())
        requests = served.write_requests(folder, rows[:1])
        oip = requests["json"][0].read_bytes()
        with served.server_with(exported, rows, probabilities) as server, served.Program("beast_echo", "300") as beast:
            for under_way in options.under_way:
                cells = [("floor", beast.pid, beast.address["http"], "/", "json")]
                cells += [("Slipway, JSON", server.process.pid, server.http, served.INFER, "json")]
                cells += [("Slipway, binary", server.process.pid, server.http, served.INFER, "binary")]
                for what, pid, address, target, kind in cells:
                    row = served.load(pid, "http", address, target, requests[kind], under_way, options.seconds)
                    figures.append({"server": what, "under_way": under_way, "pss_mib": served.memory_mib(pid), **row})
        peers = {"triton": (triton, oip), "mlserver": (mlserver, oip)}
        peers |= {"bentoml": (bentoml, rows[:1]), "mlflow": (mlflow, rows[:1])}
        for name in options.peers:
            make, payload = peers[name]
            try:
                figures += measure_peer(make, folder / name, model, payload, options)
            except RuntimeError as error:
                print(error, file=sys.stderr)
                figures.append({"server": name, "failed": True})
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0 if served.QUICK else 7.0, help="of one measurement")
    parser.add_argument("--under-way", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--peers", nargs="*", default=["triton", "mlserver", "bentoml", "mlflow"])
    options = parser.parse_args()
    figures = measure(options)
    served.save("peers.json", figures)
    good = [row for row in figures if "rate" in row]
    ours = {row["under_way"]: row for row in good if row["server"] == "Slipway, JSON"}
    print("server               under way      req/s   p50 us   p99 us   CPU us  PSS MiB  JSON is times faster  by CPU")
    for row in good:
        mine = ours[row["under_way"]]
        print(
            f"{row['server']:20} {row['under_way']:9} {row['rate']:10,.0f} {row['p50_us']:8,.0f} {row['p99_us']:8,.0f} "
            f"{row['cpu_us']:8.1f} {row['pss_mib']:8.0f} {mine['rate'] / row['rate']:21.2f} "
            f"{row['cpu_us'] / mine['cpu_us']:7.2f}"
        )
    return 1 if len(good) < len(figures) else 0


if __name__ == "__main__":
    sys.exit(main())
