# SPDX-License-Identifier: Apache-2.0
"""`slipway check` as a person types it: archives as NumPy writes them, a file, a version, an endpoint."""

from __future__ import annotations

import io
import json
import pathlib
import zipfile

import numpy as np
import onnx
import pytest
import requests
import tiny_models

ROWS = tiny_models.rows(64, seed=5)
P1 = tiny_models.score(ROWS.astype(np.float64))
GOOD = {
    "age": ROWS[:, :1],
    "income": ROWS[:, 1:],
    "probabilities": np.column_stack([1 - P1, P1]).astype(np.float32),
    "label": (P1 > 0.5).astype(np.int64),
}


@pytest.fixture
def golden(tmp_path):
    def write(how=np.savez, **arrays):
        path = tmp_path / "golden.npz"
        how(path, **arrays)
        return str(path)

    return write


def test_a_good_version_passes(server, registered_model, golden):
    printed = server.cli("check", "tiny/1", "--golden", golden(**GOOD))
    assert "probabilities" in printed
    assert "worst rows" not in printed


@pytest.mark.parametrize("how", [np.savez, np.savez_compressed])
def test_an_endpoint_passes_with_each_of_numpys_archives(server, registered_model, golden, how):
    turned = {name: np.asfortranarray(array) for name, array in GOOD.items()}
    report = json.loads(server.cli("--json", "check", "tiny", "--golden", golden(how, **turned)))
    assert report["equal"] is True
    assert report["rows"] == 64
    assert [output["name"] for output in report["outputs"]] == ["probabilities", "label"]


def test_a_file_here_is_opened_here(server, tmp_path, golden):
    path = tmp_path / "model.onnx"
    onnx.save(tiny_models.logistic(), path)
    server.cli("check", str(path), "--golden", golden(**GOOD))
    wrong = {**GOOD, "probabilities": GOOD["probabilities"] + np.float32(0.01)}
    server.cli("check", str(path), "--golden", golden(**wrong), expect=1)
    server.cli("check", str(path), "--golden", golden(**wrong), "--absolute", "0.02")


def test_the_worst_rows_are_shown_first(server, registered_model, golden):
    wrong = GOOD["probabilities"].copy()
    wrong[7, 1] += 0.5
    wrong[9, 1] += 0.1
    arrays = {**GOOD, "probabilities": wrong}
    report = json.loads(server.cli("--json", "check", "tiny/1", "--golden", golden(**arrays), expect=1))
    output = next(o for o in report["outputs"] if o["name"] == "probabilities")
    assert output["values_different"] == 2
    assert [row["row"] for row in output["worst_rows"]] == [7, 9]
    assert output["worst_rows"][0]["expected"][1] == pytest.approx(float(wrong[7, 1]))
    assert output["worst_rows"][0]["actual"][1] == pytest.approx(float(GOOD["probabilities"][7, 1]), abs=1e-6)
    printed = server.cli("check", "tiny/1", "--golden", golden(**arrays), expect=1)
    assert "probabilities, worst rows first:" in printed


def test_bitwise_is_strict(server, registered_model, golden):
    off = np.nextafter(GOOD["probabilities"], np.float32(2))
    arrays = {**GOOD, "probabilities": off}
    server.cli("check", "tiny/1", "--golden", golden(**arrays))
    report = json.loads(server.cli("--json", "check", "tiny/1", "--golden", golden(**arrays), "--bitwise", expect=1))
    assert report["equal"] is False


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"age": ROWS[:, :1]}, "income: "),
        ({"age": ROWS[:, :1], "income": ROWS[:, 1:]}, "npz: "),
        ({**GOOD, "height": ROWS}, "height: "),
        ({**GOOD, "age": np.array([object()] * 64)}, "age: "),
        ({**GOOD, "age": ROWS[:, :1].astype(">f4")}, "age: "),
        ({**GOOD, "age": ROWS[:5, :1]}, "inputs"),
    ],
)
def test_a_wrong_archive_is_told_what_is_wrong(server, registered_model, golden, arrays, text):

    answer = requests.post(
        f"{server.url}/api/v1/models/tiny/versions/1/check",
        data=pathlib.Path(golden(**arrays)).read_bytes(),
        timeout=30,
    )
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert text in f"{error['field']}: {error['message']}"


def test_broken_archives_are_refused_and_never_crash(server, registered_model, golden):

    url = f"{server.url}/api/v1/models/tiny/versions/1/check"
    whole = pathlib.Path(golden(np.savez_compressed, **GOOD)).read_bytes()
    random = np.random.default_rng(1)
    for _ in range(200):
        broken = bytearray(whole)
        for place in random.integers(0, len(whole), 8):
            broken[place] = random.integers(0, 256)
        answer = requests.post(url, data=bytes(broken[: random.integers(1, len(whole))]), timeout=30)
        assert answer.status_code in (200, 400), answer.text
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("age.npy", "w", force_zip64=True) as f,
    ):
        for _ in range(1100):
            f.write(b"\0" * (1 << 20))
    assert requests.post(url, data=bomb.getvalue(), timeout=30).status_code == 400


def test_what_is_not_there_is_said(server, golden, tmp_path):
    server.cli("check", "nobody/1", "--golden", golden(**GOOD), expect=1)
    server.cli("check", "nobody", "--golden", golden(**GOOD), expect=1)
    server.cli("check", "tiny/1", "--golden", str(tmp_path / "absent.npz"), expect=1)
