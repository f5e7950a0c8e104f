# SPDX-License-Identifier: Apache-2.0
"""`slipway import wandb`. The wandb package is not at hand: the files are written here, byte for byte as its published
schema (wandb_internal.proto) and its store (LevelDB's log format with zlib's CRC-32) say. MLflow's client reads them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import struct
import subprocess
import zlib

import mlflow
import pytest
from mlflow import MlflowClient
from slipway_server import BINARY, Server

BLOCK = 32 * 1024
STEPS = 2000


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number: int, value) -> bytes:
    """A protobuf field: an integer, or a text or message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def item(key: str, value, nested: bool = False) -> bytes:
    names = b"".join(field(2, part) for part in key.split(".")) if nested else field(1, key)
    return names + field(16, json.dumps(value))


def history(step: int, seconds: float, **values) -> bytes:
    items = [item(key, value) for key, value in {**values, "_step": step, "_timestamp": seconds}.items()]
    return field(2, b"".join(field(1, one) for one in items) + field(2, field(1, step)))


def artifact(name: str, kind: str, path, aliases) -> bytes:
    md5 = base64.b64encode(hashlib.md5(path.read_bytes()).digest()).decode()
    entry = field(1, "weights/model.bin") + field(2, md5) + field(4, path.stat().st_size) + field(6, str(path))
    manifest = field(1, 1) + field(4, entry)
    about = field(4, kind) + field(5, name) + field(7, "from wandb") + field(12, manifest)
    return field(8, about + b"".join(field(11, alias) for alias in aliases))


def records(model) -> list[bytes]:
    run = field(1, "abc123") + field(2, "team") + field(3, "flights") + field(8, "bright-sun-1") + field(9, "a note")
    run += (
        field(10, "first") + field(10, "fast") + field(13, "host1") + field(17, field(1, 1_700_000_000) + field(2, 5))
    )
    config = {"optimizer": {"name": "adam", "lr": 0.1}, "depth": 3, "_wandb": {"t": 1}}
    run += field(4, b"".join(field(1, item(key, value)) for key, value in config.items()))
    run += field(21, field(1, "git@example.org:x.git") + field(2, "c0ffee"))
    made = [field(17, run)]
    made += [
        history(step, 1_700_000_001 + step, loss=1 / (step + 1), note="text", img={"a": 1}) for step in range(STEPS)
    ]
    made.append(history(STEPS, 1_700_000_001 + STEPS, odd=math.nan))
    made.append(field(5, field(1, item("late.one", "x", nested=True))))
    made.append(field(4, field(1, "x" * 100_000)))  # console output, of three blocks
    made.append(field(3, field(1, item("best", 0.01)) + field(1, item("loss", 5))))
    made.append(artifact("tree", "model", model, ["latest", "best"]))
    made.append(artifact("table", "dataset", model, []))
    made.append(field(18, field(1, 0) + field(2, 3000)))
    return [field(1, number) + record for number, record in enumerate(made)]


def framed(messages: list[bytes]) -> bytes:
    out = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, 0))
    for message in messages:
        rest, first = message, True
        while first or rest:
            left = BLOCK - len(out) % BLOCK
            if left < 7:
                out += bytes(left)
                left = BLOCK
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = (1 if not rest else 2) if first else (4 if not rest else 3)
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + part), len(part), kind) + part
            first = False
    return bytes(out)


def run_import(source, data, expect: int = 0) -> dict:
    command = [str(BINARY), "--json", "import", "wandb", str(source), "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else {"error": done.stderr}


@pytest.fixture
def folder(tmp_path):
    """wandb/ with one offline run, whose model lies in the cache."""
    (tmp_path / "cached").write_bytes(b"weights" * 1000)
    run = tmp_path / "wandb" / "offline-run-20231114_221320-abc123"
    run.mkdir(parents=True)
    (run / "run-abc123.wandb").write_bytes(framed(records(tmp_path / "cached")))
    return tmp_path / "wandb"


def test_a_run_comes_with_all_it_logged(folder, tmp_path):
    report = run_import(folder, tmp_path / "data")
    assert report["differences"] == []
    assert report["runs"] == {"found": 1, "added": 1}
    assert (report["verified_runs"], report["verified_files"], report["versions"]["added"]) == (1, 2, 1)
    assert report["metric_values"] == STEPS + 2
    again = run_import(folder, tmp_path / "data")
    assert {again[part]["added"] for part in ["runs", "files", "versions"]} == {0}
    server = Server(tmp_path / "data").start()
    try:
        look(MlflowClient(server.url, server.url), tmp_path)
    finally:
        server.stop()


def look(client: MlflowClient, tmp_path) -> None:
    mlflow.set_tracking_uri(client.tracking_uri)  # the client's downloads ask there
    experiment = client.get_experiment_by_name("flights")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("bright-sun-1", "FINISHED")
    assert (run.info.start_time, run.info.end_time) == (1_700_000_000_000, 1_700_003_000_000)
    assert run.data.params == {"optimizer.name": "adam", "optimizer.lr": "0.1", "depth": "3", "late.one": "x"}
    assert run.data.metrics["loss"] == 1 / STEPS
    assert run.data.metrics["best"] == 0.01
    assert math.isnan(run.data.metrics["odd"])
    values = client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value, m.timestamp) for m in values] == [
        (step, 1 / (step + 1), 1_700_000_001_000 + step * 1000) for step in range(STEPS)
    ]
    tags = run.data.tags
    assert tags["wandb.run_id"] == "abc123"
    assert tags["wandb.tags"] == '["first","fast"]'
    assert (tags["mlflow.note.content"], tags["mlflow.source.git.commit"]) == ("a note", "c0ffee")
    version = client.get_model_version_by_alias("tree", "best")
    assert (version.version, version.run_id) == ("1", run.info.run_id)
    local = client.download_artifacts(run.info.run_id, "tree/weights/model.bin", str(tmp_path))
    assert open(local, "rb").read() == b"weights" * 1000  # noqa: SIM115


def test_damaged_blocks_are_left_out_and_named(folder, tmp_path):
    log = next(folder.rglob("*.wandb"))
    content = bytearray(log.read_bytes())
    content[2 * BLOCK + 40] ^= 255
    log.write_bytes(content)
    report = run_import(folder, tmp_path / "data", expect=1)
    assert len(report["differences"]) == 1
    assert "1 damaged blocks are left out" in report["differences"][0]
    assert STEPS - 500 < report["metric_values"] < STEPS
    assert report["verified_runs"] == 1


def test_a_run_that_was_killed_comes_as_far_as_it_came(folder, tmp_path):
    log = next(folder.rglob("*.wandb"))
    whole = log.read_bytes()
    for length in [len(whole) - 3, BLOCK + 20, BLOCK - 1]:
        log.write_bytes(whole[:length])
        report = run_import(folder, tmp_path / str(length), expect=1)
        assert any("ends within a record" in line for line in report["differences"])
        assert report["runs"]["added"] == 1


def test_what_is_missing_is_named(folder, tmp_path):
    (tmp_path / "cached").write_bytes(b"other")
    report = run_import(folder, tmp_path / "changed", expect=1)
    assert "has other bytes than its manifest says" in report["differences"][0]
    (tmp_path / "cached").unlink()
    report = run_import(folder, tmp_path / "gone", expect=1)
    assert "is not at" in report["differences"][0]
    assert "no folder with one below it" in run_import(tmp_path / "none", tmp_path / "data", expect=1)["error"]
    (tmp_path / "x.wandb").write_bytes(b"something else")
    report = run_import(tmp_path / "x.wandb", tmp_path / "data", expect=1)
    assert "expected a run-*.wandb file" in report["differences"][0]
