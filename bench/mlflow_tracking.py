# SPDX-License-Identifier: Apache-2.0
"""Tracking beside `mlflow server`: the same requests over kept-alive connections, every write on disk before its answer
(both servers' databases are SQLite files; with --postgresql ours is there). Ours is asked by slipway_bench_load, which
keeps up with it; `mlflow server`, which answers in chunks, by this program.

mlflow_tracking.py [--runs 10000] [--seconds 3] [--only ours|mlflow] [--workers N] [--postgresql URL]: one JSON
line a measurement, then a table with ratios. `mlflow server` is started with its defaults, or with --workers N.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import selectors
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from slipway_server import BINARY, Server  # noqa: E402

BENCH_LOAD = ROOT / "build" / "bench" / "slipway_bench_load"
CONNECTIONS = 16
FIRST_MS = 1_700_000_000_000


class Connection:
    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.sent_at = 0.0

    def send(self, request: bytes):
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def answer(self):
        """The status once the whole answer is here, else None."""
        self.received += self.socket.recv(1 << 20)
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return None
        headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        length = headers.get(b"content-length")
        chunked = length is None  # as uvicorn sends what comes from WSGI
        if (not body.endswith(b"0\r\n\r\n")) if chunked else (len(body) < int(length)):
            return None
        self.received = b""
        return int(head[9:12])


def message(method: str, path: str, body: dict | None = None) -> bytes:
    payload = json.dumps(body).encode() if body is not None else b""
    head = f"{method} /api/2.0/mlflow/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload


def load(address, make, seconds: float, connections: int) -> dict:
    """Keeps `connections` requests of `make(n)` under way; the first fifth of the time is not counted."""
    poll = selectors.DefaultSelector()
    number = 0
    for _ in range(connections):
        connection = Connection(address)
        poll.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(make(number))
        number += 1
    begin = time.perf_counter()
    counted, end = begin + seconds / 5, begin + seconds
    latencies = []
    while (now := time.perf_counter()) < end or not latencies:  # a slow server is given one answer's time
        for key, _ in poll.select(1):
            connection = key.data
            status = connection.answer()
            if status is None:
                continue
            assert status == 200, f"{status} for request {number}"
            if now >= counted:
                latencies.append(time.perf_counter() - connection.sent_at)
            connection.send(make(number))
            number += 1
    for key in list(poll.get_map().values()):
        key.fileobj.close()
    latencies.sort()
    return {
        "per_s": round(len(latencies) / (max(now, end) - counted), 1),
        "p50_ms": round(statistics.median(latencies) * 1000, 2),
        "p99_ms": round(latencies[int(len(latencies) * 0.99)] * 1000, 2),
    }


def load_fast(address, make, seconds: float, connections: int) -> dict:
    """As `load`, by a program that costs next to nothing; its requests are made before."""
    count = 40_000 if make(0) != make(1) else 1
    while count > 1 and count * len(make(10**6)) > 64 << 20:
        count //= 2
    with tempfile.NamedTemporaryFile() as file:
        for number in range(count):
            request = make(number)
            file.write(b"%d\n%s" % (len(request), request))
        file.flush()
        command = [BENCH_LOAD, "raw", f"{address[0]}:{address[1]}", "-", file.name, str(connections), str(seconds)]
        done = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=600).stdout)
    return {
        "per_s": done["rate"],
        "p50_ms": round(done["p50_us"] / 1000, 3),
        "p99_ms": round(done["p99_us"] / 1000, 3),
    }


def transfer(url: str, pid: int | None, path: str) -> dict[str, dict]:
    """100 MiB up and down over one connection, and how much the server's memory grew meanwhile."""
    size, block = 100 << 20, os.urandom(1 << 20)
    host, port = url.removeprefix("http://").split(":")

    def resident():
        status = pathlib.Path(f"/proc/{pid}/status").read_text() if pid else "VmRSS: 0"
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    results = {}
    target = f"/api/2.0/mlflow-artifacts/artifacts/{path}"
    for what in ["artifact up", "artifact down"]:
        before, most, best = resident(), 0.0, 0.0
        for attempt in range(4):
            connection = Connection((host, int(port)))
            begin = time.perf_counter()
            if what == "artifact up":
                head = f"PUT {target}{attempt} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
                connection.socket.sendall(head.encode())
                for _ in range(size >> 20):
                    connection.socket.sendall(block)
                assert b" 200 " in connection.socket.recv(1 << 16)[:20]
            else:
                connection.socket.sendall(f"GET {target}{attempt} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                buffer, got = bytearray(1 << 20), 0
                while got < size:
                    got += connection.socket.recv_into(buffer)
                    assert got > 0
            best = max(best, size / (time.perf_counter() - begin) / 1e6)
            most = max(most, resident() - before)
            connection.socket.close()
        results[f"{what} (MB/s)"] = {"per_s": round(best, 1), "p50_ms": 0, "grew_mib": round(most, 1)}
    return results


def measurements(run_id: str, experiment: str):
    """name -> (request of its number, connections)"""

    def metric(n):
        return {"key": f"m{n % 8}", "value": n * 0.5, "timestamp": FIRST_MS + n, "step": n}

    search = {
        "experiment_ids": [experiment],
        "filter": "metrics.auc > 0.9 AND params.depth = '3'",
        "order_by": ["metrics.auc DESC"],
        "max_results": 100,
    }
    page = {"experiment_ids": [experiment], "order_by": ["metrics.auc DESC"], "max_results": 1000}
    batch = {"run_id": run_id}
    return {
        "log-metric": (lambda n: message("POST", "runs/log-metric", {"run_id": run_id, **metric(n)}), CONNECTIONS),
        "log-metric, 1 connection": (
            lambda n: message("POST", "runs/log-metric", {"run_id": run_id, **metric(n + 10**7)}),
            1,
        ),
        "log-batch of 100": (
            lambda n: message(
                "POST", "runs/log-batch", {**batch, "metrics": [metric(2 * 10**7 + n * 100 + i) for i in range(100)]}
            ),
            CONNECTIONS,
        ),
        "get-run": (lambda n: message("GET", f"runs/get?run_id={run_id}"), CONNECTIONS),
        "version by alias": (
            lambda n: message("GET", "registered-models/alias?name=bench&alias=champion"),
            CONNECTIONS,
        ),
        "get-run, 1 connection": (lambda n: message("GET", f"runs/get?run_id={run_id}"), 1),
        "search-runs, 1 connection": (lambda n: message("POST", "runs/search", search), 1),
        "a page of 1000 runs, 1 connection": (lambda n: message("POST", "runs/search", page), 1),
    }


def new_run(url: str, name: str = "bench") -> tuple[str, str]:
    post = f"{url}/api/2.0/mlflow"
    experiment = requests.post(f"{post}/experiments/create", json={"name": name}, timeout=60).json()["experiment_id"]
    body = {"experiment_id": experiment, "start_time": FIRST_MS}
    run_id = requests.post(f"{post}/runs/create", json=body, timeout=60).json()["run"]["info"]["run_id"]
    values = {
        "run_id": run_id,
        "metrics": [{"key": f"k{i}", "value": i, "timestamp": 1, "step": 0} for i in range(30)],
        "params": [{"key": f"k{i}", "value": str(i)} for i in range(30)],
    }
    assert requests.post(f"{post}/runs/log-batch", json=values, timeout=60).status_code == 200
    artifacts = f"{url}/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts/model/MLmodel"
    requests.put(artifacts, data=b"flavors: {}", timeout=60).raise_for_status()
    for path, body in [
        ("registered-models/create", {"name": "bench"}),
        ("model-versions/create", {"name": "bench", "source": f"runs:/{run_id}/model", "run_id": run_id}),
        ("registered-models/alias", {"name": "bench", "alias": "champion", "version": "1"}),
    ]:
        requests.post(f"{post}/{path}", json=body, timeout=60).raise_for_status()
    return experiment, run_id


def measure(name: str, url: str, experiment: str, run_id: str, seconds: float, pid: int | None = None) -> dict:
    host, port = url.removeprefix("http://").split(":")
    results = {}
    ask = load_fast if name == "slipway" and BENCH_LOAD.exists() else load
    for what, (make, connections) in measurements(run_id, experiment).items():
        results[what] = ask((host, int(port)), make, seconds, connections)
        print(json.dumps({"server": name, "what": what, **results[what]}), flush=True)
    owner = requests.get(f"{url}/api/2.0/mlflow/runs/get", params={"run_id": run_id}, timeout=60).json()["run"]["info"]
    for what, result in transfer(url, pid, f"{owner['experiment_id']}/{run_id}/artifacts/big").items():
        results[what] = result
        print(json.dumps({"server": name, "what": what, **result}), flush=True)
    return results


def depth_and_auc(i: int) -> tuple[str, float]:
    return str(i % 10), (i * 7919 % 10_007) / 10_007


def ours(options, folder: pathlib.Path) -> dict:
    environment = {"SLIPWAY_DATABASE_URL": options.postgresql} if options.postgresql else {}
    measure_import(options, folder, environment)  # the runs that are searched
    server = Server(folder / "imported", environment=environment).start()
    try:
        _, run_id = new_run(server.url, "bench, logged")
        experiment = server.get("/api/2.0/mlflow/experiments/get-by-name", experiment_name="bench")["experiment"]
        return measure("slipway", server.url, experiment["experiment_id"], run_id, options.seconds, server.process.pid)
    finally:
        server.stop()


def mlflow_server(options, folder: pathlib.Path) -> dict:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = folder / "mlflow.db"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{database}", "--artifacts-destination", str(folder / "artifacts")]
    if options.workers:
        command += ["--workers", str(options.workers)]
    with open(folder / "mlflow.log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                requests.get(f"{url}/health", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                assert time.monotonic() < deadline, (folder / "mlflow.log").read_text()[-2000:]
                time.sleep(0.2)
        experiment, run_id = new_run(url)
        seed_mlflow(database, int(experiment), options.runs)
        return measure("mlflow server", url, experiment, run_id, options.seconds)
    finally:
        server.terminate()
        server.wait(60)


def seed_mlflow(database: pathlib.Path, experiment: int, count: int) -> None:
    """Into its tables at once: over REST it would take ten minutes."""
    rows = [(f"{i:032x}", experiment, *depth_and_auc(i), FIRST_MS + i) for i in range(count)]
    with sqlite3.connect(database, timeout=60) as base:
        base.executemany(
            "INSERT INTO runs (run_uuid, name, experiment_id, user_id, status, start_time, lifecycle_stage,"
            " artifact_uri, source_type)"
            " VALUES (?, ?, ?, 'bench', 'RUNNING', ?, 'active', 'mlflow-artifacts:/x', 'UNKNOWN')",
            [(r[0], f"run-{r[0]}", r[1], r[4]) for r in rows],
        )
        for table in ("metrics", "latest_metrics"):
            base.executemany(
                f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid) VALUES ('auc', ?, ?, 0, 0, ?)",
                [(r[3], FIRST_MS, r[0]) for r in rows],
            )
        base.executemany(
            "INSERT INTO params (key, value, run_uuid) VALUES ('depth', ?, ?)", [(r[2], r[0]) for r in rows]
        )
        base.executemany(
            "INSERT INTO tags (key, value, run_uuid) VALUES ('mlflow.runName', ?, ?)",
            [(f"run-{r[0]}", r[0]) for r in rows],
        )


def measure_import(options, folder: pathlib.Path, environment: dict[str, str] | None = None) -> None:
    """`slipway import mlflow` of a SQLite store that mlflow made, with a metric, a parameter and a tag of each run."""
    from mlflow import MlflowClient

    database = folder / "mlflow.db"
    client = MlflowClient(f"sqlite:///{database}", f"sqlite:///{database}")
    seed_mlflow(database, int(client.create_experiment("bench", str(folder / "artifacts"))), options.runs)
    with sqlite3.connect(database, timeout=60) as base:
        base.execute("UPDATE runs SET artifact_uri = ?", [str(folder / "artifacts")])
    command = [BINARY, "--json", "import", "mlflow", database, "--data", folder / "imported"]
    begin = time.perf_counter()
    done = subprocess.run(
        command, check=True, capture_output=True, timeout=600, env={**os.environ, **(environment or {})}
    )
    report = json.loads(done.stdout)
    seconds = round(time.perf_counter() - begin, 2)
    print(json.dumps({"what": "import mlflow", "runs": report["verified_runs"], "seconds": seconds}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", choices=["ours", "mlflow"])
    parser.add_argument("--workers", type=int)
    parser.add_argument("--postgresql", help="postgresql://user@host/database: an empty one, for ours")
    options = parser.parse_args()
    results = {}
    for name, run in {"ours": ours, "mlflow": mlflow_server}.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                results[name] = run(options, pathlib.Path(folder))
    if len(results) < 2:
        return
    print(f"{'':36}{'slipway':>12}{'mlflow':>12}{'ratio':>9}   p50 ms: slipway, mlflow")
    for what, mine in results["ours"].items():
        theirs = results["mlflow"][what]
        ratio = mine["per_s"] / max(theirs["per_s"], 1e-9)
        print(f"{what:36}{mine['per_s']:>12}{theirs['per_s']:>12}{ratio:>8.0f}x   {mine['p50_ms']}, {theirs['p50_ms']}")


if __name__ == "__main__":
    main()
