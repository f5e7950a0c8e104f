# SPDX-License-Identifier: Apache-2.0
"""A real server for a test: its own data folder, free ports, stopped by whoever started it."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("SLIPWAY_BINARY", ROOT / "build" / "slipway"))
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 40


class Server:
    """`start` and `stop` may alternate: the data folder stays, as it does for a person who restarts."""

    def __init__(
        self, data: pathlib.Path, *options: str, environment: dict[str, str] | None = None, tls: dict | None = None
    ):
        self.data = pathlib.Path(data)
        self.options = list(options)
        self.environment = environment or {}
        self.tls = tls  # of a server that speaks HTTPS: what requests needs (verify=, cert=)
        self.process: subprocess.Popen | None = None
        self.url = ""
        self.http = ""  # host:port
        self.grpc = ""

    def start(self) -> Server:
        listen = self.data / "listen.json"
        listen.unlink(missing_ok=True)
        self.data.mkdir(parents=True, exist_ok=True)
        log = open(self.data / "server.log", "ab")  # noqa: SIM115 - the child keeps it
        command = [str(BINARY), "serve", "--data", str(self.data), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
        environment = {**os.environ, **self.environment}
        self.process = subprocess.Popen([*command, *self.options], stdout=log, stderr=log, env=environment)
        log.close()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not listen.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the server did not start:\n{self.log_tail()}")
            time.sleep(0.02)
        where = json.loads(listen.read_text())
        self.http, self.grpc = where["http"], where["grpc"]
        self.url = f"{'http' if self.tls is None else 'https'}://{self.http}"
        ready = f"{self.url}/ready"
        self.wait_for(lambda: requests.get(ready, timeout=5, **(self.tls or {})).status_code == 200, START_TIMEOUT_S)
        return self

    def stop(self) -> int | None:
        """Ends it as Kubernetes would (SIGTERM) and returns its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int | None:
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            status = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process = None
        return status

    def log_tail(self, lines: int = 40) -> str:
        path = self.data / "server.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def wait_for(self, condition, timeout_s: float = 30.0, what: str = "the condition"):
        """Polls until `condition()` is truthy and returns that; fails naming `what` at the deadline."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                result = condition()
                if result:
                    return result
            except requests.ConnectionError:
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come true in {timeout_s} s\n{self.log_tail()}")
            time.sleep(0.02)

    def get(self, path: str, **query) -> dict:
        answer = requests.get(self.url + path, params=query, timeout=60)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, body: dict | None = None, expect: int = 200) -> dict:
        answer = requests.post(self.url + path, json=body or {}, timeout=120)
        assert answer.status_code == expect, f"POST {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def cli(self, *arguments: str, expect: int = 0) -> str:
        done = subprocess.run(
            [str(BINARY), "--server", self.url, *arguments], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == expect, (
            f"slipway {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout
