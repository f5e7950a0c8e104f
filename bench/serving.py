# SPDX-License-Identifier: Apache-2.0
"""Single-row predictions a second over OIP REST (JSON and binary) and gRPC, beside bare servers that only echo.

Rounds are interleaved (each measures everything once) and medians are shown. "to Beast" and "to gRPC" are ratios to the
smallest Boost.Beast server and the smallest asynchronous libgrpc++ server of the same run. "CPU us" is the server's
processor time for one answer: on a busy machine it moves far less than the rate, so its ratio is the one to compare.
Figures go to build/bench/serving.json.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import served


def in_process(model: pathlib.Path) -> dict:
    """Runs of one row in microseconds: ONNX Runtime's C ABI alone, and through our pool."""
    import json

    command = ["taskset", "-c", served.SERVER_CORE, str(served.BUILD / "bench/inference_overhead"), str(model)]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    return json.loads(text)


def measure(options, requests, server, beast, grpc) -> dict[tuple[str, str, int], list[dict]]:
    http = served.INFER
    cells = {
        ("json", "served"): (server.process.pid, "http", server.http, http, requests["json"]),
        ("json", "bare"): (beast.pid, "http", beast.address["http"], "/", requests["json"]),
        ("binary", "served"): (server.process.pid, "http", server.http, http, requests["binary"]),
        ("binary", "bare"): (beast.pid, "http", beast.address["http"], "/", requests["binary"]),
        ("grpc", "served"): (server.process.pid, "grpc", server.grpc, served.GRPC_INFER, requests["grpc"]),
        ("grpc", "bare"): (grpc.pid, "grpc", grpc.address["grpc"], "/slipway.Echo/Call", requests["grpc"]),
    }
    rates: dict[tuple[str, str, int], list[dict]] = {}
    for _ in range(options.rounds):
        for under_way in options.under_way:
            for (kind, what), cell in cells.items():
                measured = served.load(*cell, under_way, options.seconds)
                rates.setdefault((kind, what, under_way), []).append(measured)
    return rates


def show(rates, under_ways: list[int]) -> list[dict]:
    print("request  under way   served/s   p50 us   p99 us     bare/s  bare p50  to bare  CPU us  bare CPU us  to bare")
    rows = []
    for kind in ("json", "binary", "grpc"):
        for under_way in under_ways:
            row = {"request": kind, "under_way": under_way}
            for what in ("served", "bare"):
                for name in ("rate", "p50_us", "p99_us", "cpu_us"):
                    row[f"{what}_{name}"] = statistics.median(one[name] for one in rates[kind, what, under_way])
            rows.append(row)
            print(
                f"{kind:8} {under_way:9} {row['served_rate']:10,.0f} {row['served_p50_us']:8.0f} "
                f"{row['served_p99_us']:8.0f} {row['bare_rate']:10,.0f} {row['bare_p50_us']:9.0f} "
                f"{row['served_rate'] / row['bare_rate']:8.2f} {row['served_cpu_us']:7.1f} "
                f"{row['bare_cpu_us']:12.1f} {row['bare_cpu_us'] / row['served_cpu_us']:8.2f}"
            )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=1 if served.QUICK else 3)
    parser.add_argument("--under-way", type=int, nargs="*", default=[1, 16] if served.QUICK else [1, 16, 64])
    options = parser.parse_args()
    exported, rows, probabilities = served.train()
    with tempfile.TemporaryDirectory() as name, served.server_with(exported, rows, probabilities) as server:
        folder = pathlib.Path(name)
        (folder / "model.onnx").write_bytes(exported.SerializeToString())
        requests = served.write_requests(folder, rows[:1])
        alone = in_process(folder / "model.onnx")
        with served.Program("beast_echo", "300") as beast, served.Program("grpc_echo", "300") as grpc:
            rates = measure(options, requests, server, beast, grpc)
    print(f"{options.rounds} rounds of {options.seconds} s, {time.strftime('%Y-%m-%d')}")
    print(f"ONNX Runtime in process, one thread: {alone['bare_us']:.1f} us a run")
    served.save("serving.json", {"in_process": alone, "rows": show(rates, options.under_way)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
