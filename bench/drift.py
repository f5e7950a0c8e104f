# SPDX-License-Identifier: Apache-2.0
"""Time and memory of a drift report: 1 million rows of 30 numeric columns against a reference as large, from Parquet.

`drift.py [--rows N] [--peers]`. Each figure is one process from start to end, files in the page cache; the median of
three. Float and double columns are told apart: pandas writes doubles, models read floats.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = pathlib.Path(__file__).parent.parent
BINARY = ROOT / "build" / "slipway"
COLUMNS = 30
GROUP_ROWS = 100_000
EVIDENTLY = """
import sys, warnings; warnings.filterwarnings("ignore")
import pandas as pd
from evidently import Dataset, Report
from evidently.presets import DataDriftPreset
reference, current = (Dataset.from_pandas(pd.read_parquet(path)) for path in sys.argv[1:3])
method = sys.argv[3] if len(sys.argv) > 3 else None
snapshot = Report([DataDriftPreset(method=method)]).run(current, reference)
snapshot.save_html(sys.argv[4] if len(sys.argv) > 4 else "/dev/null")
"""


def write_table(path: pathlib.Path, rows: int, kind: type, shift: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    makers = (
        lambda: rng.normal(shift, 1, rows),
        lambda: rng.gamma(2, 3, rows) + shift,
        lambda: rng.random(rows) + shift,
        lambda: rng.lognormal(0, 1, rows) + shift,
        lambda: rng.standard_t(4, rows) + shift,
    )
    columns = {f"f{i:02}": makers[i % len(makers)]().astype(kind) for i in range(COLUMNS)}
    pq.write_table(pa.table(columns), path, row_group_size=GROUP_ROWS, use_dictionary=False, compression="zstd")


def measure(command: list[str], runs: int = 3) -> tuple[float, float]:
    """Median seconds, and the most memory in MiB."""
    seconds = []
    peak = 0.0
    for _ in range(runs):
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - began)
        if os.waitstatus_to_exitcode(status) not in (0, 1):
            raise SystemExit(f"failed: {command}")
        peak = max(peak, usage.ru_maxrss / 1024)
    return statistics.median(seconds), peak


def show(label: str, command: list[str], runs: int = 3) -> None:
    seconds, peak = measure(command, runs)
    print(f"{label:64} {seconds:8.3f} s {peak:8.0f} MiB", flush=True)


def ours(folder: pathlib.Path, kind: str) -> None:
    reference, current, profile = folder / f"a.{kind}.parquet", folder / f"b.{kind}.parquet", folder / f"{kind}.profile"
    drift = [str(BINARY), "drift", "--current", str(current)]
    show(
        f"slipway, {kind}: store the baseline",
        [str(BINARY), "drift", "--reference", str(reference), "--save-profile", str(profile)],
    )
    bins = ["--metrics", "psi,kl,js"]
    show(f"slipway, {kind}: PSI, KL, JS, stored baseline", [*drift, "--reference", str(profile), *bins])
    show(f"slipway, {kind}: all metrics, stored baseline", [*drift, "--reference", str(profile)])
    show(f"slipway, {kind}: all metrics, exact KS and Wasserstein, both files", [*drift, "--reference", str(reference)])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--speed", action="store_true", help="for bench/run_drift")
    options.add_argument("--peers", action="store_true", help="Evidently too: minutes")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for kind, dtype in (("float", np.float32), ("double", np.float64)):
            write_table(folder / f"a.{kind}.parquet", chosen.rows, dtype, 0, 1)
            write_table(folder / f"b.{kind}.parquet", chosen.rows, dtype, 0.05, 2)
        print(f"{chosen.rows} rows x {COLUMNS} columns a side")
        ours(folder, "float")
        ours(folder, "double")
        if chosen.peers:
            script = [os.environ["SLIPWAY_EVIDENTLY"], "-c", EVIDENTLY]
            files = [str(folder / "a.double.parquet"), str(folder / "b.double.parquet")]
            show("Evidently 0.7.23: PSI", [*script, *files, "psi"], 1)
            show("Evidently 0.7.23: its choice of test", [*script, *files], 1)
    print(f"(the generator itself peaked at {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB)")


if __name__ == "__main__":
    main()
