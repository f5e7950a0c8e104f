# SPDX-License-Identifier: Apache-2.0
"""Artifacts in parts and by ranges, with MLflow's own client, and what signed addresses refuse."""

from __future__ import annotations

import os
import pathlib

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from slipway_server import Server

MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """By a clock that the test moves."""
    options = ["--set", "clock.mode=driven", "--set", "clock.start=2023-11-14T22:13:20Z"]
    running = Server(tmp_path_factory.mktemp("slipway"), *options).start()
    yield running
    assert running.stop() == 0, running.log_tail()


@pytest.fixture
def client(server):
    mlflow.set_tracking_uri(server.url)  # the client's downloads ask there
    return MlflowClient(tracking_uri=server.url, registry_uri=server.url)


@pytest.fixture
def calls(monkeypatch):
    """How often the client took the way in parts."""
    counts = {"_try_multipart_upload": 0, "_multipart_download": 0}
    for name in counts:
        real = getattr(HttpArtifactRepository, name)

        def counted(self, *args, real=real, name=name, **options):
            counts[name] += 1
            return real(self, *args, **options)

        monkeypatch.setattr(HttpArtifactRepository, name, counted)
    for name in ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"]:
        monkeypatch.setenv(name, "true")
    for name in ["UPLOAD_CHUNK_SIZE", "DOWNLOAD_CHUNK_SIZE", "UPLOAD_MINIMUM_FILE_SIZE"]:
        monkeypatch.setenv(f"MLFLOW_MULTIPART_{name}", str(MIB))
    return counts


def file_of(folder: pathlib.Path, name: str, size: int) -> pathlib.Path:
    path = folder / name
    path.write_bytes(os.urandom(size))
    return path


def uploads(server) -> list:
    folder = server.data / "artifacts" / "uploads"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_client_moves_a_large_file_in_parts(client, server, calls, tmp_path):
    run_id = client.create_run("0").info.run_id
    sent = file_of(tmp_path, "grün (1).bin", 5 * MIB + 12_345)
    for _ in range(2):  # the second upload replaces the first
        sent.write_bytes(os.urandom(5 * MIB + 12_345))
        client.log_artifact(run_id, str(sent), "deep/folder")
    (tmp_path / "got").mkdir()
    got = client.download_artifacts(run_id, f"deep/folder/{sent.name}", str(tmp_path / "got"))
    assert calls == {"_try_multipart_upload": 2, "_multipart_download": 1}
    assert pathlib.Path(got).read_bytes() == sent.read_bytes()
    assert uploads(server) == []


@pytest.fixture
def begun(client, server):
    """(folder, answer of mpu/create) of an upload of two parts."""
    run_id = client.create_run("0").info.run_id
    folder = f"0/{run_id}/artifacts"
    return folder, ask(server, "create", folder, {"path": "/tmp/x.bin", "num_parts": 2}).json()


def ask(server, what: str, folder: str, body: dict):
    return requests.post(f"{server.url}/api/2.0/mlflow-artifacts/mpu/{what}/{folder}", json=body, timeout=60)


def test_an_upload_that_is_given_up_leaves_nothing(server, begun):
    folder, made = begun
    assert requests.put(made["credentials"][0]["url"], data=b"one", timeout=60).status_code == 200
    assert len(uploads(server)) == 1
    about = {"path": "x.bin", "upload_id": made["upload_id"]}
    assert ask(server, "abort", folder, about).status_code == 200
    assert uploads(server) == []


def test_what_does_not_fit_is_refused(server, begun):
    folder, made = begun
    first, second = (part["url"] for part in made["credentials"])
    etag = requests.put(first, data=b"one", timeout=60).headers["ETag"]
    about = {"path": "x.bin", "upload_id": made["upload_id"]}
    parts = [{"part_number": 1, "etag": etag}, {"part_number": 2, "etag": etag}]
    refused = ask(server, "complete", folder, {**about, "parts": parts})
    assert refused.status_code == 400
    assert "Part 2 was not received" in refused.json()["message"]
    requests.put(second, data=b"two", timeout=60).raise_for_status()
    assert ask(server, "complete", folder, {**about, "parts": parts}).status_code == 400  # its ETag is another
    assert ask(server, "complete", folder, {**about, "parts": []}).status_code == 400
    other = {**about, "path": "y.bin", "parts": parts[:1]}
    assert "no upload of" in ask(server, "complete", folder, other).json()["message"]
    for count in [0, 10_001]:
        assert ask(server, "create", folder, {"path": "x", "num_parts": count}).status_code == 400
    assert ask(server, "create", "models/fraud/v1", {"path": "x"}).status_code == 403
    assert ask(server, "create", "0/none/artifacts", {"path": "x"}).status_code == 404


def test_an_address_serves_for_what_it_was_signed_and_not_for_ever(client, server, begun):
    folder, made = begun
    url = made["credentials"][0]["url"]
    assert requests.put(url.replace("/1?", "/2?"), data=b"x", timeout=60).status_code == 403
    assert requests.put(url[:-1] + ("0" if url[-1] != "0" else "1"), data=b"x", timeout=60).status_code == 403
    client.log_text(folder.split("/")[1], "0123456789", "digits.txt")
    presigned = requests.get(f"{server.url}/api/2.0/mlflow-artifacts/presigned/{folder}/digits.txt", timeout=60).json()
    assert presigned["file_size"] == 10
    for asked, status, body in [
        (None, 200, b"0123456789"),
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=8-100", 206, b"89"),
        ("bytes=a", 200, b"0123456789"),
    ]:
        answer = requests.get(presigned["url"], headers={"Range": asked} if asked else {}, timeout=60)
        assert (answer.status_code, answer.content) == (status, body), asked
    beyond = requests.get(presigned["url"], headers={"Range": "bytes=10-12"}, timeout=60)
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, "bytes */10")
    server.post("/api/v1/clock", {"now": "2023-11-14T22:30:00Z"})
    assert requests.put(url, data=b"x", timeout=60).json()["message"].startswith("This address has expired")
    assert requests.get(presigned["url"], timeout=60).status_code == 403


def test_a_versions_file_that_was_damaged_is_not_sent_to_who_asks_for_the_check(client, server):
    client.create_registered_model("checked")
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "flavors: {}", "model/MLmodel")
    client.create_model_version("checked", f"runs:/{run_id}/model", run_id)
    url = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/models/checked/v1/MLmodel"
    assert requests.get(url, params={"verify": "true"}, timeout=60).text == "flavors: {}"
    (server.data / "artifacts" / "models" / "checked" / "v1" / "MLmodel").write_text("flavors: []")
    assert requests.get(url, timeout=60).status_code == 200
    refused = requests.get(url, params={"verify": "true"}, timeout=60)
    assert refused.status_code >= 400
    assert "MLmodel" in refused.json()["message"]
    assert requests.get(url, params={"verify": "maybe"}, timeout=60).status_code == 400
