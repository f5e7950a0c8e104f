# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus, and traffic with labels and drift for it to see."""

from __future__ import annotations

import contextlib
import json
import pathlib
import random
import shutil
import socket
import subprocess
import threading
import time

import requests
from slipway_server import Server


class Prometheus:
    def __init__(self, folder: pathlib.Path, target: str, *options: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        config = folder / "prometheus.yml"
        scrape = {"job_name": "slipway", "scrape_interval": "500ms", "scrape_timeout": "500ms"}
        scrape["static_configs"] = [{"targets": [target]}]
        config.write_text(json.dumps({"scrape_configs": [scrape]}))  # JSON is YAML
        command = [shutil.which("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb"]
        command += [f"--web.listen-address={self.address}", *options]
        self.log = open(folder / "prometheus.log", "wb")  # noqa: SIM115 - the child keeps it
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def query(self, expression: str) -> list[dict]:
        url = f"http://{self.address}/api/v1/query"
        answer = requests.get(url, params={"query": expression}, timeout=10).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        return answer["data"]["result"]

    def wait(self, expression: str, timeout_s: float = 20) -> list[dict]:
        deadline = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(requests.ConnectionError):
                if found := self.query(expression):
                    return found
            assert time.monotonic() < deadline, f"no data for {expression}"
            time.sleep(0.1)

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


class Traffic:
    """Rows that drift after the baseline, labels for them, and a failing call now and then."""

    def __init__(self, server: Server):
        self.server = server
        self.stopping = threading.Event()
        self.random = random.Random(1)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        shift = 0.0
        while not self.stopping.is_set():
            rows = [{"age": self.random.gauss(shift, 1), "income": self.random.gauss(0, 1)} for _ in range(300)]
            answer = requests.post(f"{self.server.url}/predict/tiny", json=rows, timeout=30).json()
            base = answer["prediction_id"]
            labels = [
                {"prediction_id": f"{base}.{i}", "value": self.random.random() < one["probabilities"][1]}
                for i, one in enumerate(answer["predictions"])
            ]
            requests.post(f"{self.server.url}/api/v1/labels", json={"endpoint": "tiny", "labels": labels}, timeout=30)
            requests.post(f"{self.server.url}/predict/tiny", json={"age": "old", "income": 1}, timeout=30)
            shift = 2.0
            self.stopping.wait(0.1)

    def close(self):
        self.stopping.set()
        self.thread.join()
