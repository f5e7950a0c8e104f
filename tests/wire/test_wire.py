# SPDX-License-Identifier: Apache-2.0
"""Runs the transcripts of tests/wire/<protocol>/*.http against the built binary. README.md says how one reads."""

from __future__ import annotations

import http.client
import json
import math
import pathlib
import re
from dataclasses import dataclass, field

import pytest

HERE = pathlib.Path(__file__).parent
TIMEOUT_S = 60
NEAR = 1e-5


@dataclass
class Exchange:
    title: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    status: int
    wanted_headers: dict[str, str] = field(default_factory=dict)
    wanted_body: str = ""


def split_message(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """Headers up to the empty line, and the lines of the body."""
    headers = {}
    for number, line in enumerate(lines):
        if not line.strip():
            return headers, lines[number + 1 :]
        name, _, value = line.partition(":")
        headers[name.strip()] = value.strip()
    return headers, []


def body_bytes(lines: list[str]) -> bytes:
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    if any(line.startswith("hex:") for line in lines):
        parts = [bytes.fromhex(line[4:]) if line.startswith("hex:") else line.encode() for line in lines]
        return b"".join(parts)
    return "\n".join(lines).encode()


def parse(text: str) -> list[Exchange]:
    exchanges = []
    for block in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = block.partition("\n")
        request, _, response = rest.partition("\n--- ")
        method, target = request.split("\n", 1)[0].split(" ", 1)
        headers, body = split_message(request.split("\n")[1:])
        wanted = response.split("\n")
        wanted_headers, wanted_body = split_message(wanted[1:])
        exchanges.append(
            Exchange(
                title.strip(),
                method,
                target.strip(),
                headers,
                body_bytes(body),
                int(wanted[0]),
                wanted_headers,
                "\n".join(wanted_body).strip(),
            )
        )
    assert exchanges, "a transcript without an exchange"
    return exchanges


def mismatch(wanted, got, place: str = "$") -> str | None:
    """Where `got` is not what the transcript wants, or None."""
    if wanted == "<any>":
        return None
    if isinstance(wanted, dict):
        return object_mismatch(wanted, got, place)
    if isinstance(wanted, list):
        return list_mismatch(wanted, got, place)
    return value_mismatch(wanted, got, place)


def object_mismatch(wanted: dict, got, place: str) -> str | None:
    if not isinstance(got, dict):
        return f"{place}: expected an object, got {got!r}"
    for name, value in wanted.items():
        if name not in got:
            return f"{place}.{name}: missing"
        if problem := mismatch(value, got[name], f"{place}.{name}"):
            return problem
    return None


def list_mismatch(wanted: list, got, place: str) -> str | None:
    if not isinstance(got, list) or len(got) != len(wanted):
        return f"{place}: expected {len(wanted)} items, got {got!r}"
    problems = (mismatch(w, g, f"{place}[{i}]") for i, (w, g) in enumerate(zip(wanted, got, strict=True)))
    return next((problem for problem in problems if problem), None)


def value_mismatch(wanted, got, place: str) -> str | None:
    if isinstance(wanted, str) and len(wanted) > 1 and wanted.startswith("/") and wanted.endswith("/"):
        matches = isinstance(got, str) and re.search(wanted[1:-1], got)
        return None if matches else f"{place}: {got!r} does not match {wanted}"
    if isinstance(wanted, float) and isinstance(got, (int, float)) and not isinstance(got, bool):
        return (
            None if math.isclose(wanted, got, rel_tol=NEAR, abs_tol=NEAR) else f"{place}: expected {wanted}, got {got}"
        )
    same = wanted == got and isinstance(wanted, bool) == isinstance(got, bool)
    return None if same else f"{place}: expected {wanted!r}, got {got!r}"


def check_body(wanted: str, got: bytes, headers) -> None:
    if not wanted:
        return
    try:
        pattern = json.loads(wanted)
    except json.JSONDecodeError:
        for line in wanted.splitlines():
            assert re.search(line.encode(), got), f"{line!r} does not match {got!r}"
        return
    length = headers.get("Inference-Header-Content-Length")
    problem = mismatch(pattern, json.loads(got[: int(length)] if length else got))
    assert problem is None, f"{problem}\n{got.decode(errors='replace')}"


def send(server, exchange: Exchange) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(server.http, timeout=TIMEOUT_S)
    try:
        connection.request(exchange.method, exchange.target, body=exchange.body or None, headers=exchange.headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def transcripts() -> list:
    found = []
    for path in sorted(HERE.glob("*/*.http")):
        for exchange in parse(path.read_text()):
            found.append(pytest.param(exchange, id=f"{path.parent.name}/{path.stem}: {exchange.title}"))
    return found


@pytest.mark.parametrize("exchange", transcripts())
def test_transcript(server, registered_model, exchange):
    assert registered_model == "tiny"
    response, body = send(server, exchange)
    assert response.status == exchange.status, body.decode(errors="replace")
    for name, wanted in exchange.wanted_headers.items():
        got = response.headers.get(name, "")
        if wanted.startswith("/") and wanted.endswith("/"):
            assert re.search(wanted[1:-1], got), f"{name}: {got}"
        else:
            assert got == wanted, f"{name}: {got}"
    check_body(exchange.wanted_body, body, response.headers)


def test_a_wrong_transcript_is_noticed():
    wanted = {"a": [1, {"b": "/^x/"}], "c": "<any>", "d": 0.5}
    assert mismatch(wanted, {"a": [1, {"b": "xy", "z": 0}], "c": None, "d": 0.5000001}) is None
    for got in (
        {"a": [1, {"b": "y"}], "c": 1, "d": 0.5},
        {"a": [1], "c": 1, "d": 0.5},
        {"a": [1, {"b": "x"}], "d": 0.5},
        {"a": [True, {"b": "x"}], "c": 1, "d": 0.5},
        {"a": [1, {"b": "x"}], "c": 1, "d": 0.51},
    ):
        assert mismatch(wanted, got) is not None
