# SPDX-License-Identifier: Apache-2.0
"""The unmodified perf_analyzer, by every way it can call: it ends well, having counted predictions and no failure."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess

import pytest
import tiny_models

RUN_S = 120
# Short windows, and a stability that any three of them have: what is measured is that it works, not how fast.
SHORT = ["-p", "200", "-s", "999", "-r", "10"]


def analyze(server, folder, model: str, *options: str) -> list[dict]:
    """Rows of the report, one for each load."""
    program = shutil.which("perf_analyzer")
    assert program, "perf_analyzer is set up by scripts/setup frameworks"
    report = folder / "report.csv"
    grpc = "grpc" in options
    command = [program, "-m", model, "-u", server.grpc if grpc else server.http, "-f", str(report), *SHORT, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False, cwd=folder)
    said = f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{server.log_tail(5)}"
    assert done.returncode == 0, said
    assert "Failed" not in done.stderr, said
    with open(report, newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows, said
    for row in rows:
        assert float(row["Inferences/Second"]) > 0, said
    return rows


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_rising_concurrency(server, registered_model, tmp_path, protocol, how):
    rows = analyze(
        server, tmp_path, registered_model, "-i", protocol, f"--{how}", "--shape", "age:1", "--concurrency-range", "1:3"
    )
    assert sorted(row["Concurrency"] for row in rows) == ["1", "2", "3"]
    # The server's own counters, which it reads before and after each window.
    assert all(float(row["Server Compute Infer"]) >= 0 for row in rows)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_request_rate(server, registered_model, tmp_path, protocol):
    rows = analyze(server, tmp_path, registered_model, "-i", protocol, "--request-rate-range", "100")
    assert len(rows) == 1


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_batches(server, registered_model, tmp_path, protocol):
    rows = analyze(server, tmp_path, registered_model, "-i", protocol, "-b", "8")
    # Each request is eight predictions.
    assert float(rows[0]["Inferences/Second"]) > 8


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_shared_memory(server, registered_model, tmp_path, protocol):
    analyze(
        server,
        tmp_path,
        registered_model,
        "-i",
        protocol,
        "--shared-memory",
        "system",
        "--output-shared-memory-size",
        "1024",
        "-b",
        "4",
    )
    assert server.get("/v2/systemsharedmemory/status") == []


def test_streaming(server, registered_model, tmp_path):
    analyze(server, tmp_path, registered_model, "-i", "grpc", "--streaming", "--async", "--concurrency-range", "4")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_given_data(server, registered_model, tmp_path, protocol):
    rows = tiny_models.rows(4).tolist()
    data = [{"age": [age], "income": [income]} for age, income in rows]
    (tmp_path / "data.json").write_text(json.dumps({"data": data}))
    analyze(server, tmp_path, registered_model, "-i", protocol, "--input-data", str(tmp_path / "data.json"))
