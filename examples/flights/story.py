# SPDX-License-Identifier: Apache-2.0
"""The whole loop on real flights: train, gate, serve, watch, retrain, roll out, roll back. `make demo` plays it.

Everything it prints and writes to summary.json is read back from the server or was counted while it happened.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import flights_data
import pandas as pd
import requests
from callers import HttpCaller
from replay import MODEL, Replay
from server_api import ServerApi

HERE = pathlib.Path(__file__).resolve().parent
TRAINING = ["--first", "2013-01-01", "--end", "2013-02-26", "--holdout-end", "2013-03-12"]
FIRST_WINDOW = 5
LAST_WINDOW = 21
BROKEN_DAYS = 4


class AlertReceiver:
    """Where the server's webhook sink delivers: a page of somebody's own, here a list."""

    def __init__(self):
        received = self.received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/alerts"


class Story:
    def __init__(self, options: argparse.Namespace, url: str, grpc: str, alerts: AlertReceiver):
        self.options = options
        self.api = ServerApi(url)
        self.http = url.removeprefix("http://")
        self.grpc = grpc
        self.alerts = alerts
        self.began = time.monotonic()
        self.seen = 0
        self.facts: dict = {"gates": {}, "windows": [], "decisions": [], "rollouts": []}
        self.replay: Replay | None = None

    # --- telling ----------------------------------------------------------------------------------------------------
    def say(self, text: str, day: pd.Timestamp | None = None) -> None:
        elapsed = int(time.monotonic() - self.began)
        date = f"{day:%d %b}" if day is not None else ""
        print(f"{elapsed // 60}:{elapsed % 60:02d}  {date:>6}  {text}", flush=True)

    def chapter(self, title: str) -> None:
        print(f"\n      \033[1m{title}\033[0m", flush=True)

    def tell_events(self, day: pd.Timestamp) -> None:
        """What happened since the last time, in words."""
        for event in self.api.events(self.seen):
            self.seen = event["sequence"]
            text = self._in_words(event)
            if text:
                self.say(text, day)

    def _in_words(self, event: dict) -> str | None:
        data, kind = event["data"], event["type"]
        if kind == "alert.firing":
            return f"ALERT   {data.get('summary', data)}"
        if kind == "alert.resolved":
            return f"calm    {data.get('rule')} of version {data.get('version')}"
        if kind == "pipeline.run_started":
            return f"retrain started by {data.get('trigger', {}).get('rule', data.get('trigger', {}).get('kind'))}"
        if kind == "policy.decided":
            return f"decided {data['kind']}: {data['summary']}"
        if kind == "version.stage_changed":
            return f"stage   version {event['subject'].rsplit('/', 1)[1]}: {data['from']} -> {data['to']}"
        if kind in ("rollout.started", "rollout.step", "rollout.promoted", "rollout.rolled_back", "rollout.paused"):
            return (
                f"{kind.replace('rollout.', 'rollout ')}: version {data.get('to_version')} {data.get('reason') or ''}"
            )
        return None

    # --- acting -----------------------------------------------------------------------------------------------------
    def train(self, *arguments: str) -> int:
        """Runs the training script and returns the version that it registered."""
        environment = {**os.environ, "MLFLOW_TRACKING_URI": self.api.url, "MLFLOW_REGISTRY_URI": self.api.url}
        environment.setdefault("OMP_NUM_THREADS", "1")
        done = subprocess.run(
            [sys.executable, str(HERE / "train.py"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"train.py failed:\n{done.stdout}{done.stderr}")
        version = self.api.get(f"/api/v1/models/{MODEL}")["versions"][-1]
        metrics = version["metadata"]["metrics"]
        self.say(f"trained version {version['version']}: holdout AUC {metrics['holdout_auc']:.3f}")
        return version["version"]

    def cli(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [self.options.binary, "--server", self.api.url, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def _move(self, version: int, to: str) -> None:
        answer = self.api.post(f"/api/v1/models/{MODEL}/versions/{version}/transition", {"to": to})
        for verdict in answer["verdicts"]:
            self.say(f"gate    {verdict['gate']}: {verdict['outcome']} - {verdict['summary']}")
        self.facts["gates"][f"{version} to {to}"] = {v["gate"]: v["outcome"] for v in answer["verdicts"]}
        self.say(f"version {version} is in {to}")

    def first_versions(self) -> None:
        self.chapter("A model is trained, gated and served")
        first = self.train(*TRAINING)
        self._move(first, "Staging")
        self._move(first, "Production")
        self.api.wait(lambda: self.api.get("/api/v1/endpoints")["endpoints"], "the endpoint")
        second = self.train(*TRAINING, "--trees", "20", "--without-dataset")
        refusal = self.api.refused(f"/api/v1/models/{MODEL}/versions/{second}/transition", {"to": "Staging"})
        self.say(f"refused version {second}: {refusal['error']['message']}")
        self.facts["refused_without_dataset"] = refusal["error"]["message"]

    def live_traffic(self) -> None:
        self.chapter("Real flights arrive; labels follow when they land")
        self.seen = self.api.last_sequence()
        start = flights_data.window_start(FIRST_WINDOW)
        self.replay = Replay(self.api, self.http, self.grpc, start, self.options.share)
        for window in range(FIRST_WINDOW, self.options.last_window + 1):
            self.replay.advance(flights_data.window_start(window + 1) + pd.Timedelta(days=1), self._after_step)
            self._tell_window(window)
        self._finish_rollout()

    def _after_step(self, now: pd.Timestamp) -> None:
        if not self.api.idle():
            self.api.wait(self.api.idle, "the retraining")
            self._wait_for_decision()
        self.tell_events(now)

    def _wait_for_decision(self) -> None:
        run = self.api.get("/api/v1/pipelines/runs", limit=1)["runs"][0]
        if run["state"] != "succeeded":
            raise SystemExit(f"the pipeline {run['state']}: {self.cli('pipelines', 'log', run['id']).stdout}")
        # Judged means: a decision that is newer than the run.
        self.api.wait(
            lambda: (
                len(self.api.get("/api/v1/decisions", model=MODEL)["decisions"])
                >= len([r for r in self.api.get("/api/v1/pipelines/runs")["runs"] if r["state"] == "succeeded"])
            ),
            "the candidate's verdict",
        )

    def _tell_window(self, window: int) -> None:
        start = flights_data.window_start(window)
        day = start + flights_data.WINDOW
        report = self.api.get(
            f"/api/v1/monitoring/{MODEL}/windows", **{"from": f"{start:%Y-%m-%dT%H:%M:%SZ}", "limit": 1000}
        )
        fact = next(w for w in report["windows"] if w["start"].startswith(f"{start:%Y-%m-%d}"))
        quality = fact["quality"] or {}
        auc = quality.get("auc", {}).get("value") if quality else None
        self.facts["windows"].append(
            {
                "window": window,
                "start": fact["start"],
                "production": self.api.production(MODEL),
                "predictions": fact["predictions"],
                "labels": fact["labels"],
                "auc": auc,
                "accuracy": quality.get("accuracy", {}).get("value"),
                "prediction_psi": fact["prediction_psi"],
                "most_drifted": max(fact["psi"].items(), key=lambda item: item[1], default=None),
            }
        )
        self.say(
            f"window {window:2d}: {fact['predictions']} predictions, {fact['label_coverage']:.0%} labelled, "
            f"AUC {auc or 0:.3f}, PSI of predictions {fact['prediction_psi'] or 0:.2f}",
            day,
        )

    def _finish_rollout(self) -> None:
        """A rollout that is still going on is played to its end."""
        for _ in range(60):
            if self.api.active_rollout(MODEL) is None:
                return
            self.replay.advance(self.replay.now + pd.Timedelta(days=1), self._after_step)
        raise SystemExit("the rollout never ended")

    def broken_version(self) -> None:
        self.chapter("A broken version is forced past its gates")
        before = self.api.production(MODEL)
        broken = self.train(*TRAINING, "--corrupt")
        promote = f"/api/v1/models/{MODEL}/versions/{broken}/promote"
        refusal = self.api.refused(promote, {})
        self.say(f"refused {refusal['error']['message']}")
        rollout = self.api.post(promote, {"force": True, "reason": "demo: see whether the canary catches it"})[
            "rollout"
        ]
        self.say(f"forced  version {broken} gets {rollout['steps'][0]['weight']:.0%} of the traffic", self.replay.now)
        failed_before = self.replay.totals["failed"]
        started = time.monotonic()
        for _ in range(BROKEN_DAYS * 4):
            self.replay.advance(self.replay.now + pd.Timedelta(hours=6), self._after_step)
            state = self.api.get(f"/api/v1/rollouts/{rollout['id']}")
            if state["state"] != "running":
                break
        if state["state"] != "rolled_back" or self.api.production(MODEL) != before:
            raise SystemExit(f"the broken version was not rolled back: {state['state']}")
        self.say(f"caught  {state['reason']}", self.replay.now)
        self.facts["broken"] = {
            "version": broken,
            "state": state["state"],
            "reason": state["reason"],
            "data_hours": (pd.Timestamp(state["ended"]) - pd.Timestamp(state["started"])).total_seconds() / 3600,
            "real_seconds": time.monotonic() - started,
            "failed_calls": self.replay.totals["failed"] - failed_before,
        }

    def rollback(self) -> None:
        self.chapter("One command back to the version before")
        rows = self.replay.flights.head(1)
        before = HttpCaller(self.http).call(rows).version
        answers: list[tuple[float, str]] = []  # when, and by which version
        stop = threading.Event()

        def ask() -> None:
            caller = HttpCaller(self.http)  # a client belongs to its thread
            while not stop.is_set() and not (answers and answers[-1][1] != before):
                answers.append((time.monotonic(), caller.call(rows).version))

        asking = threading.Thread(target=ask)
        asking.start()
        started = time.monotonic()
        done = self.cli("rollback", MODEL, "--reason", "demo: back to the version before")
        asking.join(timeout=10)
        stop.set()
        answered_at, after = answers[-1]
        if done.returncode != 0 or after == before:
            raise SystemExit(f"rollback failed: {done.stdout}{done.stderr}")
        seconds = answered_at - started
        self.say(f"version {before} -> {after}: first answer {seconds * 1000:.0f} ms after the command was typed")
        self.facts["rollback"] = {"from": before, "to": after, "seconds": seconds}

    def doctor(self) -> None:
        self.chapter("slipway doctor")
        command = [self.options.binary, "--server", self.api.url, "doctor", "--endpoint", MODEL]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        print("\n".join(f"      {line}" for line in done.stdout.splitlines()), flush=True)
        self.facts["doctor"] = {"exit_status": done.returncode, "report": done.stdout.splitlines()}

    def summarise(self, path: pathlib.Path) -> dict:
        logged = self.api.get("/api/v1/predictions/count", endpoint=MODEL)
        totals = self.replay.totals
        decisions = self.api.get("/api/v1/decisions", model=MODEL, limit=1000)["decisions"]
        rollouts = self.api.get("/api/v1/rollouts", endpoint=MODEL, limit=1000)["rollouts"]
        windows = self.facts["windows"]
        aucs = [w["auc"] for w in windows if w["auc"] is not None]
        self.facts |= {
            "seconds": time.monotonic() - self.began,
            "traffic": totals | {"logged_rows": self.rows_logged_by_replay, "all_logged_rows": logged["rows"]},
            "nothing_lost": totals["rows_sent"] == totals["rows_answered"] == self.rows_logged_by_replay,
            "quality": {
                "auc_before": self.facts.get("auc_at_gate"),
                "auc_worst": min(aucs, default=None),
                "auc_last": aucs[-1] if aucs else None,
                "auc_mean": sum(aucs) / len(aucs) if aucs else None,
                "accuracy_by_window": [w["accuracy"] for w in windows],
            },
            "decisions": [
                {k: d.get(k) for k in ("kind", "candidate", "winner", "difference", "lower", "upper")}
                for d in decisions
            ],
            "rollouts": [{k: r.get(k) for k in ("from_version", "to_version", "state", "reason")} for r in rollouts],
            "alerts_delivered": len(self.alerts.received),
        }
        path.write_text(json.dumps(self.facts, indent=2, default=str) + "\n")
        return self.facts

    def play(self) -> None:
        self.first_versions()
        first = self.api.get(f"/api/v1/models/{MODEL}/versions/1")
        self.facts["auc_at_gate"] = first["metadata"]["metrics"]["holdout_auc"]
        self.live_traffic()
        self.broken_version()
        self.rows_logged_by_replay = self._logged_rows()
        self.rollback()
        self.doctor()

    def _logged_rows(self) -> int:
        """Rows answered to callers that are in the log; an attempt that stable answered instead is logged as failed."""
        count = self.api.get("/api/v1/predictions/count", endpoint=MODEL)
        return count["rows"] - count["failed_rows"]


def _wait_ready(url: str, server: subprocess.Popen, log: pathlib.Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            if requests.get(f"{url}/ready", timeout=2).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise SystemExit(f"the server did not start:\n{log.read_text()[-4000:]}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, help="the slipway binary")
    parser.add_argument("--folder", required=True, type=pathlib.Path, help="where data, logs and summary.json go")
    parser.add_argument("--http", default="127.0.0.1:8080")
    parser.add_argument("--grpc", default="127.0.0.1:8081")
    parser.add_argument("--last-window", type=int, default=LAST_WINDOW)
    parser.add_argument("--share", type=float, default=1.0, help="part of the flights that is played")
    parser.add_argument("--exit", action="store_true", help="stop the server after the story")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    # Said outright: a parent may have us started with interrupts ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options.binary = str(pathlib.Path(options.binary).resolve())
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("FLIGHTS_CACHE", str(folder / "flights.parquet"))
    os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    flights_data.load()
    alerts = AlertReceiver()
    log = folder / "server.log"
    command = [options.binary, "serve", "--config", str(HERE / "slipway.yaml"), "--data", str(folder / "data")]
    command += ["--http", options.http, "--grpc", options.grpc, "--set", f"alerts.webhook.url={alerts.url}"]
    with open(log, "wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, cwd=HERE)
    try:
        url = f"http://{options.http}"
        _wait_ready(url, server, log)
        story = Story(options, url, options.grpc, alerts)
        story.play()
        facts = story.summarise(folder / "summary.json")
        print(
            f"\n      {facts['traffic']['rows_answered']} predictions asked, answered and logged; mean AUC "
            f"{facts['quality']['auc_mean']:.3f}; {len(facts['rollouts'])} rollouts; see {folder / 'summary.json'}"
        )
        if not facts["nothing_lost"] or facts["doctor"]["exit_status"] != 0:
            raise SystemExit(1)
        if not options.exit:
            print(f"\n      The server goes on: open {url}/   (Ctrl-C stops it)", flush=True)
            server.wait()
    except KeyboardInterrupt:
        print("\nstopping", flush=True)
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait(timeout=40)


if __name__ == "__main__":
    main()
