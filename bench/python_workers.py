# SPDX-License-Identifier: Apache-2.0
"""The same model as Python code: our worker beside Triton's Python backend and `mlflow models serve`, on one core.

Each runs ONNX Runtime with one thread inside Python; front end, worker and prediction log share the core. "CPU us" is
the processor time of all of a server's processes for one answer: on a busy machine it moves far less than the rate.
Figures go to build/bench/python_workers.json.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import sys
import tempfile

import peers
import served

OURS = """

class Bench:
    inputs = {"X": ("FP32", [-1, 30])}
    outputs = {"label": ("INT64", [-1]), "probabilities": ("FP32", [-1, 2])}

    def load(self, folder):
        self.run = session(folder + "/exported/model.bin").run

    def predict(self, inputs):
        labels, probabilities = self.run(None, inputs)
        return {"label": labels, "probabilities": probabilities}
"""


def family(pid: int) -> list[int]:
    """A process and all that any of its threads started."""
    found = [pid]
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                found += family(int(child))
    return found


served.family = family
REASON = {"force": True, "reason": "a measurement"}


def serve(server, exported, folder: pathlib.Path) -> None:
    """A version whose model.py is what callers reach; its weights go by another name, so that no runtime takes them."""
    import mlflow

    (folder / "exported").mkdir(parents=True)
    (folder / "exported/model.bin").write_bytes(exported.SerializeToString())
    (folder / "model.py").write_text(peers.SESSION + OURS)
    mlflow.set_tracking_uri(server.url)
    mlflow.set_experiment("bench")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(folder), "model")
    client = mlflow.MlflowClient()
    client.create_registered_model("bench")
    client.create_model_version("bench", f"runs:/{run.info.run_id}/model", run.info.run_id)
    for stage in ("Staging", "Production"):
        server.post("/api/v1/models/bench/versions/1/transition", {"to": stage, **REASON})
    server.wait_for(lambda: server.get("/api/v1/endpoints")["endpoints"], 60, "the endpoint")


def measure(options) -> list[dict]:
    from slipway_server import Server

    exported, rows, _ = served.train()
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = folder / "model.onnx"
        model.write_bytes(exported.SerializeToString())
        requests = served.write_requests(folder, rows[:1])
        server = Server(folder / "data", "--set", f"python.interpreter={os.environ['SLIPWAY_PYTHON']}").start()
        try:
            served.pin(server.process.pid)
            serve(server, exported, folder / "version")
            served.pin(server.process.pid)
            for kind in ("json", "binary"):
                for under_way in options.under_way:
                    cell = ("http", server.http, served.INFER, requests[kind], under_way, options.seconds)
                    row = served.load(server.process.pid, *cell)
                    figures.append({"server": f"Slipway, {kind}", "under_way": under_way, **row})
        finally:
            server.stop()
        makers = {
            "triton": (peers.triton, requests["json"][0].read_bytes()),
            "mlflow": (peers.mlflow, rows[:1]),
        }
        for name in options.peers:
            figures += peers.measure_peer(makers[name][0], folder / name, model, makers[name][1], options)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0 if served.QUICK else 7.0, help="of one measurement")
    parser.add_argument("--under-way", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--peers", nargs="*", default=["triton", "mlflow"])
    options = parser.parse_args()
    figures = measure(options)
    served.save("python_workers.json", figures)
    ours = {row["under_way"]: row for row in figures if row["server"] == "Slipway, json"}
    print("server               under way      req/s   p50 us   p99 us   CPU us  JSON is times faster  by CPU")
    for row in figures:
        mine = ours[row["under_way"]]
        print(
            f"{row['server']:20} {row['under_way']:9} {row['rate']:10,.0f} {row['p50_us']:8,.0f} {row['p99_us']:8,.0f} "
            f"{row['cpu_us']:8.1f} {mine['rate'] / row['rate']:21.2f} {row['cpu_us'] / mine['cpu_us']:7.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
