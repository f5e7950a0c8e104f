# SPDX-License-Identifier: Apache-2.0
"""The server's native API, as far as the replay uses it."""

from __future__ import annotations

import time

import pandas as pd
import requests


class ServerApi:
    def __init__(self, url: str):
        self.url = url
        self.session = requests.Session()
        self.session.headers["X-Slipway-Actor"] = "replay"

    def get(self, path: str, **query) -> dict:
        answer = self.session.get(self.url + path, params=query, timeout=60)
        self._check(answer, path)
        return answer.json()

    def post(self, path: str, body: dict | None = None) -> dict:
        answer = self.session.post(self.url + path, json=body or {}, timeout=300)
        self._check(answer, path)
        return answer.json()

    def refused(self, path: str, body: dict) -> dict:
        """A call that must be refused; the error with its verdicts."""
        answer = self.session.post(self.url + path, json=body, timeout=300)
        if answer.status_code < 400:
            raise SystemExit(f"POST {path} should have been refused, but was answered {answer.status_code}")
        return answer.json()

    def _check(self, answer: requests.Response, path: str) -> None:
        if answer.status_code != 200:
            raise SystemExit(f"{answer.request.method} {path}: {answer.status_code} {answer.text}")

    def set_clock(self, now: pd.Timestamp) -> None:
        self.post("/api/v1/clock", {"now": now.strftime("%Y-%m-%dT%H:%M:%SZ")})

    def wait(self, condition, what: str, timeout_s: float = 120):
        deadline = time.monotonic() + timeout_s
        while not (result := condition()):
            if time.monotonic() > deadline:
                raise SystemExit(f"waited {timeout_s:.0f} s in vain for {what}")
            time.sleep(0.05)
        return result

    def production(self, model: str) -> int | None:
        versions = self.get(f"/api/v1/models/{model}")["versions"]
        return next((v["version"] for v in versions if v["stage"] == "Production"), None)

    def active_rollout(self, endpoint: str) -> dict | None:
        rollouts = self.get("/api/v1/rollouts", endpoint=endpoint, limit=1)["rollouts"]
        return rollouts[0] if rollouts and rollouts[0]["state"] in ("running", "paused") else None

    def events(self, after: int, type_prefix: str = "") -> list[dict]:
        return self.get("/api/v1/events", after=after, type_prefix=type_prefix, order="oldest", limit=1000)["events"]

    def last_sequence(self) -> int:
        events = self.get("/api/v1/events", order="newest", limit=1)["events"]
        return events[0]["sequence"] if events else 0

    def post_labels(self, endpoint: str, labels: list[dict]) -> dict:
        return self.post("/api/v1/labels", {"endpoint": endpoint, "labels": labels})

    def idle(self) -> bool:
        """No pipeline works, and what it registered was judged."""
        runs = self.get("/api/v1/pipelines/runs", limit=1)["runs"]
        return not runs or runs[0]["state"] not in ("queued", "running")
