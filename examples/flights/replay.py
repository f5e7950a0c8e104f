# SPDX-License-Identifier: Apache-2.0
"""Plays recorded flights to a server in time order: asks, lets time pass, and sends the truth when it was known."""

from __future__ import annotations

import concurrent.futures
import heapq
import itertools

import flights_data
import pandas as pd
from callers import Counted, GrpcCaller, HttpCaller, InvocationsCaller
from server_api import ServerApi

MODEL = "flights"
STEP = pd.Timedelta(hours=6)
LABELS_PER_CALL = 20_000


class Replay:
    def __init__(self, api: ServerApi, http: str, grpc: str, start: pd.Timestamp, share: float = 1.0):
        self.api = api
        self.callers = [Counted(HttpCaller(http)), Counted(GrpcCaller(grpc)), Counted(InvocationsCaller(http))]
        # A thread for each caller: tritonclient's HTTP client belongs to the thread that uses it.
        self.threads = [concurrent.futures.ThreadPoolExecutor(max_workers=1) for _ in self.callers]
        flights = flights_data.load()
        if share < 1:
            flights = flights.sample(frac=share, random_state=3).sort_index()
        self.flights = flights
        self.now = start
        self.waiting: list[tuple] = []  # (when known, tie-break, prediction id, truth)
        self.tie = itertools.count()
        self.labels_sent = 0

    def advance(self, until: pd.Timestamp, on_step=None) -> None:
        """To `until`, in steps; `on_step(now)` may look at the server after each."""
        while self.now < until:
            end = min(self.now + STEP, until)
            rows = self._between(self.now, end)
            # While a version is on trial every flight is asked for by itself, so that many different keys meet it.
            single = self.api.active_rollout(MODEL) is not None
            self._ask(rows, single)
            self._tell(end)
            self.api.set_clock(end)
            self.now = end
            if on_step is not None:
                on_step(end)

    def _between(self, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        asked = self.flights["asked_at"]
        low, high = asked.searchsorted(start), asked.searchsorted(end)
        return self.flights.iloc[low:high]

    def _ask(self, rows: pd.DataFrame, single: bool) -> None:
        shares = self._split(rows, single)
        work = zip(self.threads, self.callers, shares, strict=True)
        futures = [thread.submit(self._send, caller, share) for thread, caller, share in work]
        for future in futures:
            for table, answer in future.result():
                self._remember(table, answer)

    def _split(self, rows: pd.DataFrame, single: bool) -> list[list[pd.DataFrame]]:
        """What each caller sends: single flights, or the flights of one hour and airport together."""
        shares: list[list[pd.DataFrame]] = [[] for _ in self.callers]
        if single:
            for i in range(len(rows)):
                shares[i % len(self.callers)].append(rows.iloc[i : i + 1])
            return shares
        hours = rows["asked_at"].dt.floor("h")
        for i, (_, group) in enumerate(rows.groupby([hours, "origin"], sort=False)):
            shares[i % len(self.callers)].append(group)
        return shares

    @staticmethod
    def _send(caller: Counted, tables: list[pd.DataFrame]) -> list[tuple]:
        return [(table, caller.call(table)) for table in tables]

    def _remember(self, table: pd.DataFrame, answer) -> None:
        known = table["late"].notna().to_numpy()
        times, truths = table["label_at"].dt.tz_localize(None).to_numpy(), table["late"].to_numpy()
        for i, prediction_id in enumerate(answer.prediction_ids):
            if known[i]:
                heapq.heappush(self.waiting, (times[i], next(self.tie), prediction_id, int(truths[i])))

    def _tell(self, until: pd.Timestamp) -> None:
        """Sends the labels that are known by then."""
        limit = until.tz_localize(None).to_datetime64()
        labels = []
        while self.waiting and self.waiting[0][0] <= limit:
            when, _, prediction_id, truth = heapq.heappop(self.waiting)
            time = pd.Timestamp(when).strftime("%Y-%m-%dT%H:%M:%SZ")
            labels.append({"prediction_id": prediction_id, "value": truth, "time": time})
        for begin in range(0, len(labels), LABELS_PER_CALL):
            self.labels_sent += self.api.post_labels(MODEL, labels[begin : begin + LABELS_PER_CALL])["accepted"]

    @property
    def totals(self) -> dict:
        return {
            "requests": sum(c.requests for c in self.callers),
            "rows_sent": sum(c.rows for c in self.callers),
            "rows_answered": sum(c.answered for c in self.callers),
            "tried_again": sum(c.first_failures for c in self.callers),
            "failed": sum(c.failures for c in self.callers),
            "labels": self.labels_sent,
            "by_protocol": {c.caller.name: c.requests for c in self.callers},
        }
