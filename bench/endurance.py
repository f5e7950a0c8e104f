# SPDX-License-Identifier: Apache-2.0
"""What a server must stand: start, idle memory, overload, swaps under load, a long time at full load.

Server on core 0, load from core 1. Figures go to build/bench/endurance.json. BENCH_QUICK=1 shortens each part.
"""

from __future__ import annotations

import argparse
import http.client
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import served

DEADLINE_US = 100_000
SWAPS = 200


def slow_model() -> bytes:
    """Half a millisecond for a row: a client can ask for three times what the server can do."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(3)
    sizes = [served.FEATURES, 1024, 2048, 2]
    nodes, weights, value = [], [], "X"
    for i in range(len(sizes) - 1):
        weight = random.normal(0, 0.05, (sizes[i], sizes[i + 1])).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"w{i}"))
        nodes.append(helper.make_node("MatMul", [value, f"w{i}"], [f"m{i}"]))
        nodes.append(helper.make_node("Tanh", [f"m{i}"], [f"t{i}"]))
        value = f"t{i}"
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", served.FEATURES])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["N", 2])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def ready_ms(server, path: str = "/v2/models/bench/ready") -> float:
    """From the start of the process to the first "ready" of the model, or of the server."""
    listen = server.data / "listen.json"
    listen.unlink(missing_ok=True)
    from slipway_server import BINARY

    command = ["taskset", "-c", served.SERVER_CORE, str(BINARY), "serve", "--data", str(server.data)]
    command += ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                host, port = json.loads(listen.read_text())["http"].split(":")
                connection = http.client.HTTPConnection(host, int(port), timeout=5)
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return (time.monotonic() - began) * 1000
            except (OSError, ValueError):
                pass
            if time.monotonic() > began + 60:
                raise RuntimeError("the server was not ready in a minute")
            time.sleep(0.001)
    finally:
        process.terminate()
        process.wait(40)


def start(server) -> dict:
    server.stop()
    times = sorted(ready_ms(server) for _ in range(5))
    server.start()
    served.pin(server.process.pid)
    time.sleep(5)
    figures = {"ready_ms": times[2], "best_ready_ms": times[0], "idle_pss_mib": served.memory_mib(server.process.pid)}
    return figures | registry_only()


def registry_only() -> dict:
    """A server that has no model to serve."""
    from slipway_server import Server

    with tempfile.TemporaryDirectory() as name:
        server = Server(pathlib.Path(name) / "data").start()
        server.stop()
        times = sorted(ready_ms(server, "/ready") for _ in range(5))
        server.start()
        try:
            time.sleep(5)
            return {"registry_ready_ms": times[2], "registry_idle_pss_mib": served.memory_mib(server.process.pid)}
        finally:
            server.stop()


def full_load(server, requests, seconds: float) -> dict:
    """Memory while 16 connections ask all the time; the slope is that of the second half."""
    command = served.load_command("http", server.http, served.INFER, requests["json"], 16, seconds)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    began, samples = time.monotonic(), []
    while process.poll() is None:
        samples.append((time.monotonic() - began, served.memory_mib(server.process.pid)))
        time.sleep(1)
    figures = json.loads(process.stdout.read())
    half = [sample for sample in samples if sample[0] > seconds / 2]
    slope = np.polyfit([at for at, _ in half], [mib for _, mib in half], 1)[0] * 60
    return {
        "seconds": seconds,
        "rate": figures["rate"],
        "failures": figures["failures"],
        "first_mib": samples[0][1],
        "last_mib": samples[-1][1],
        "slope_mib_per_minute": float(slope),
    }


def overload(server, folder: pathlib.Path, seconds: float) -> dict:
    body = {
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [1, served.FEATURES], "data": [0.5] * served.FEATURES}]
    }
    plain, hurried = folder / "slow.json", folder / "hurried.json"
    plain.write_text(json.dumps(body))
    hurried.write_text(json.dumps(body | {"parameters": {"timeout": DEADLINE_US}}))
    target = "/v2/models/slow/infer"
    pid = server.process.pid
    capacity = served.load(pid, "http", server.http, target, (plain, served.JSON), 64, 6)
    before = served.memory_mib(pid)
    asked = f"open={3 * capacity['rate']:.0f}"
    under = served.load(pid, asked, server.http, target, (hurried, served.JSON), 4000, seconds)
    return {
        "capacity": capacity["rate"],
        "asked": 3 * capacity["rate"],
        "goodput": under["rate"],
        "goodput_to_capacity": under["rate"] / capacity["rate"],
        "refused": under["refused"],
        "unsent": under["unsent"],
        "failures": under["failures"],
        "accepted_p99_ms": under["p99_us"] / 1000,
        "deadline_ms": DEADLINE_US / 1000,
        "memory_before_mib": before,
        "memory_after_mib": served.memory_mib(pid),
    }


class Checker(threading.Thread):
    """Asks all the time and holds each answer against the version that it names."""

    def __init__(self, server, request: bytes, expected: dict[str, float]):
        super().__init__()
        self.connection = http.client.HTTPConnection(*server.http.split(":"), timeout=30)
        self.request, self.expected = request, expected
        self.over = threading.Event()
        self.asked = self.failed = self.wrong = 0
        self.seen: dict[str, int] = {}

    def run(self):
        while not self.over.is_set():
            self.connection.request("POST", served.INFER, self.request, {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            body = json.loads(answer.read())
            self.asked += 1
            if answer.status != 200:
                self.failed += 1
                continue
            version = body["model_version"]
            self.seen[version] = self.seen.get(version, 0) + 1
            data = next(one["data"] for one in body["outputs"] if one["name"] == "probabilities")
            self.wrong += abs(data[1] - self.expected[version]) > 1e-4


def swaps(server, requests, probabilities: dict[str, float]) -> dict:
    quiet = served.load(server.process.pid, "http", server.http, served.INFER, requests["json"], 16, 5)
    checker = Checker(server, requests["json"][0].read_bytes(), probabilities)
    cell = ("http", server.http, served.INFER, requests["json"], 16)
    slices, over = [], threading.Event()  # the load ends with the swaps, so it is asked for in slices

    def press():
        while not over.is_set():
            slices.append(served.load(server.process.pid, *cell, 2.0, failures=1.0))

    pressing = threading.Thread(target=press)
    checker.start()
    pressing.start()
    took, versions = [], []
    try:
        for i in range(SWAPS):
            began = time.monotonic()
            if i == 0:
                rollout = server.post("/api/v1/models/bench/versions/2/promote", {"force": True, "reason": "bench"})
                number = rollout["rollout"]["id"]
                server.post(f"/api/v1/rollouts/{number}/promote", {"reason": "bench"})
                versions.append(2)
            else:
                plan = server.post("/api/v1/endpoints/bench/rollback", {"reason": "bench"})["plan"]
                versions.append(plan["arms"][0]["version"])
            took.append(time.monotonic() - began)
    finally:
        checker.over.set()
        over.set()
        checker.join()
        pressing.join()
    return {
        "swaps": SWAPS,
        "changes": sum(a != b for a, b in zip([1, *versions], versions, strict=False)),
        "swap_ms_median": float(np.median(took)) * 1000,
        "answers": sum(one["all"] for one in slices) + checker.asked,
        "failed": sum(one["failures"] + one["refused"] for one in slices) + checker.failed,
        "checked": checker.asked,
        "wrong_version": checker.wrong,
        "seen": checker.seen,
        "p99_us": max(one["p99_us"] for one in slices),
        "p99_us_without_swaps": quiet["p99_us"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="*", default=["start", "overload", "swaps", "full_load"])
    parser.add_argument("--overload-s", type=float, default=15 if served.QUICK else 60)
    parser.add_argument("--full-load-s", type=float, default=60 if served.QUICK else 600)
    options = parser.parse_args()
    exported, rows, probabilities = served.train()
    second, _, others = served.train(seed=8)
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "models/slow/1").mkdir(parents=True)
        (folder / "models/slow/1/model.onnx").write_bytes(slow_model())
        requests = served.write_requests(folder, rows[:1])
        with served.server_with(exported, rows, probabilities, "--models", str(folder / "models")) as server:
            if "start" in options.parts:
                figures["start"] = start(server)
            if "overload" in options.parts:
                figures["overload"] = overload(server, folder, options.overload_s)
            if "swaps" in options.parts:
                served.register(server.url, second, rows, others)
                expected = {"1": float(probabilities[0, 1]), "2": score(second, rows[:1])}
                figures["swaps"] = swaps(server, requests, expected)
            if "full_load" in options.parts:
                figures["full_load"] = full_load(server, requests, options.full_load_s)
    served.save("endurance.json", figures)
    for part, values in figures.items():
        shown = ", ".join(
            f"{key} {value:,.1f}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
        )
        print(f"{part}: {shown}")
    return 0


def score(exported, row: np.ndarray) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported.SerializeToString())
    return float(session.run(None, {"X": row})[1][0, 1])


if __name__ == "__main__":
    sys.exit(main())
