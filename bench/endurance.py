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
import time

import numpy as np
import served

DEADLINE_US = 100_000
JSON_TYPE = {"Content-Type": "application/json"}
SWAPS = 40 if served.QUICK else 200


def slow_model() -> bytes:
    """Half a millisecond for a row, also in a batch: a client can ask for three times what the server can do."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(3)
    wide, layers = 2048, 7
    nodes, weights, value = [], [], "X"
    for name, shape in {"first": (served.FEATURES, wide), "inner": (wide, wide), "last": (wide, 2)}.items():
        weight = random.normal(0, 0.05, shape).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, name))
    for i, weight in enumerate(["first", *["inner"] * layers, "last"]):
        nodes.append(helper.make_node("MatMul", [value, weight], [f"m{i}"]))
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
    served.start_pinned(server)
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


def with_memory(command: list[str], pid: int) -> tuple[dict, list[tuple[float, float]]]:
    """Figures of a load, and (seconds, MiB) of the server while it lasts."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    began, samples = time.monotonic(), []
    while process.poll() is None:
        time.sleep(1)
        samples.append((time.monotonic() - began, served.memory_mib(pid)))
    return json.loads(process.stdout.read()), samples


def slope(samples: list[tuple[float, float]]) -> float:
    """MiB a minute in the second half."""
    half = samples[len(samples) // 2 :]
    return float(np.polyfit([at for at, _ in half], [mib for _, mib in half], 1)[0] * 60)


def full_load(server, requests, seconds: float) -> dict:
    """Memory while 16 connections ask all the time; the slope is that of the second half."""
    command = served.load_command("http", server.http, served.INFER, requests["json"], 16, seconds)
    figures, samples = with_memory(command, server.process.pid)
    return {
        "seconds": seconds,
        "rate": figures["rate"],
        "failures": figures["failures"],
        "first_mib": samples[0][1],
        "last_mib": samples[-1][1],
        "slope_mib_per_minute": slope(samples),
    }


def overload(server, folder: pathlib.Path, model: str, connections: int, seconds: float) -> dict:
    """Three times what the server can do, each request with a deadline."""
    body = {
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [1, served.FEATURES], "data": [0.5] * served.FEATURES}]
    }
    plain, hurried = folder / "slow.json", folder / "hurried.json"
    plain.write_text(json.dumps(body))
    hurried.write_text(json.dumps(body | {"parameters": {"timeout": DEADLINE_US}}))
    target = f"/v2/models/{model}/infer"
    pid = server.process.pid
    # What it can do at most: enough callers that it never waits for one, and batches as large as under overload.
    runs = [served.load(pid, "http", server.http, target, (plain, served.JSON), n, 6) for n in (64, 256)]
    capacity = max(one["rate"] for one in runs)
    command = served.load_command(
        f"open={3 * capacity:.0f}", server.http, target, (hurried, served.JSON), connections, seconds
    )
    under, memory = with_memory(command, pid)
    return {
        "capacity": capacity,
        "asked": 3 * capacity,
        "goodput": under["rate"],
        "goodput_to_capacity": under["rate"] / capacity,
        "refused": under["refused"],
        "unsent": under["unsent"],
        "failures": under["failures"],
        "accepted_p99_ms": under["p99_us"] / 1000,
        "deadline_ms": DEADLINE_US / 1000,
        "memory_first_mib": memory[0][1],
        "memory_last_mib": memory[-1][1],
        "slope_mib_per_minute": slope(memory),
    }


def answers(server, target: str, body: bytes, version: int) -> str:
    """What the load generator calls an answer of this version: its number and its outputs."""
    connection = http.client.HTTPConnection(*server.http.split(":"), timeout=30)
    connection.request("POST", f"{target}/versions/{version}/infer", body, JSON_TYPE)
    text = connection.getresponse().read().decode()
    return f"{version} " + text[text.index('"outputs"') :]


def change(server, target: str, request, post: list, expected: list[str]) -> dict:
    """200 changes of version while callers ask as fast as they can, and at 70 % of that."""
    path, headers = request
    pid, infer = server.process.pid, f"{target}/infer"
    quiet = served.load(pid, "http", server.http, infer, request, 16, 5)
    rate = f"open={0.7 * quiet['rate']:.0f}"
    calm = served.load(pid, rate, server.http, infer, request, 64, 5)
    posts = f"--posts={SWAPS},20," + ",".join(map(str, post))
    figures = {}
    for name, kind, callers, alone in (("full", "http", 16, quiet), ("at_70_percent", rate, 64, calm)):
        load = served.load(
            pid, kind, server.http, infer, (path, [*headers, "--seen", posts]), callers, 600, failures=1.0
        )
        figures[name] = {
            "changes": load["posts"],
            "changes_failed": load["post_failures"],
            "change_ms": load["post_p50_ms"],
            "answers": load["all"],
            "failed": load["failures"] + load["refused"],
            "wrong": sum(count for answer, count in load["seen"].items() if answer not in expected),
            "of_each_version": [load["seen"].get(answer, 0) for answer in expected],
            "rate_to_alone": load["rate"] / alone["rate"],
            "p99_us": load["p99_us"],
            "p99_to_alone": load["p99_us"] / alone["p99_us"],
        }
    return figures


def rollbacks(server, folder: pathlib.Path, requests) -> dict:
    """Between two versions that stay loaded: the change of plan alone."""
    rollout = server.post("/api/v1/models/bench/versions/2/promote", {"force": True, "reason": "bench"})
    server.post(f"/api/v1/rollouts/{rollout['rollout']['id']}/promote", {"reason": "bench"})
    served.pin(server.process.pid)
    reason = folder / "reason.json"
    reason.write_text('{"reason": "bench"}')
    target, body = served.INFER.removesuffix("/infer"), requests["json"][0].read_bytes()
    expected = [answers(server, target, body, version) for version in (1, 2)]
    return change(server, target, requests["json"], ["/api/v1/endpoints/bench/rollback", reason], expected)


def reloads(server, folder: pathlib.Path, requests) -> dict:
    """Each change opens the other version from its file, warms it up, shows it, and closes the former one."""
    target, body, posts, expected = "/v2/models/swap", requests["json"][0].read_bytes(), [], []
    for version in (1, 2):
        config = {"version_policy": {"specific": {"versions": [version]}}}
        posts.append(folder / f"load{version}.json")
        posts[-1].write_text(json.dumps({"parameters": {"config": json.dumps(config)}}))
        connection = http.client.HTTPConnection(*server.http.split(":"), timeout=60)
        connection.request("POST", "/v2/repository/models/swap/load", posts[-1].read_bytes(), JSON_TYPE)
        assert connection.getresponse().status == 200, "the model must load"
        expected.append(answers(server, target, body, version))
    served.pin(server.process.pid)
    return change(server, target, requests["json"], ["/v2/repository/models/swap/load", *posts], expected)


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
        for version, model in {1: exported, 2: second}.items():
            (folder / f"models/swap/{version}").mkdir(parents=True)
            (folder / f"models/swap/{version}/model.onnx").write_bytes(model.SerializeToString())
        requests = served.write_requests(folder, rows[:1])
        with served.server_with(exported, rows, probabilities, "--models", str(folder / "models")) as server:
            if "start" in options.parts:
                figures["start"] = start(server)
            if "overload" in options.parts:
                # A model of half a millisecond a row, and one that costs no more than its request.
                figures["overload"] = overload(server, folder, "slow", 1000, options.overload_s)
                figures["overload_cheap"] = overload(server, folder, "bench", 4000, options.overload_s)
            if "swaps" in options.parts:
                served.register(server.url, second, rows, others)
                for name, part in {"rollbacks": rollbacks, "reloads": reloads}.items():
                    for load, values in part(server, folder, requests).items():
                        figures[f"{name}_{load}"] = values
            if "full_load" in options.parts:
                figures["full_load"] = full_load(server, requests, options.full_load_s)
    served.save("endurance.json", figures)
    for part, values in figures.items():
        shown = ", ".join(
            f"{key} {value:,.1f}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
        )
        print(f"{part}: {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
