# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document that the server gives: valid, complete, and true of what the server does."""

from __future__ import annotations

import pathlib
import re

import pytest
import requests
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "protocols" / "native.md"


@pytest.fixture(scope="module")
def document(server):
    return server.get("/openapi.json")


def operations(document):
    return {(method.upper(), path) for path, ways in document["paths"].items() for method in ways}


def test_it_is_a_valid_document(document):
    validate(document)


def test_it_has_every_route_that_the_page_names(document):
    named = set()
    letters = {"m": "model", "n": "version", "e": "endpoint", "name": "pipeline"}
    for method, path in re.findall(r"`(GET|POST|PUT|DELETE)` (/[^\s?;,(]*)", PAGE.read_text()):
        named.add((method, re.sub(r"{(\w+)}", lambda m: "{" + letters.get(m[1], m[1]) + "}", path)))
    assert len(named) > 30
    assert named == operations(document)


def test_the_server_knows_every_route(server, document):
    for method, path in operations(document):
        if path.endswith("/stream") or path.endswith("/clock"):
            continue
        answer = requests.request(method, server.url + re.sub(r"{\w+}", "1", path), json={}, timeout=30)
        assert answer.status_code != 405, (method, path)
        if answer.status_code == 404:
            assert answer.json()["error"]["reason"] != "no_such_path", (method, path)


@pytest.mark.parametrize(
    ("method", "path", "target", "body"),
    [
        ("post", "/predict/{endpoint}", "/predict/tiny", {"age": 1, "income": 1}),
        ("post", "/predict/{endpoint}", "/predict/tiny", [{"age": 1, "income": 1}]),
        ("get", "/api/v1/models", "/api/v1/models", None),
        ("get", "/api/v1/models/{model}/versions/{version}", "/api/v1/models/tiny/versions/1", None),
        ("get", "/api/v1/endpoints", "/api/v1/endpoints", None),
        ("get", "/api/v1/endpoints/{endpoint}", "/api/v1/endpoints/tiny", None),
        ("get", "/api/v1/predictions", "/api/v1/predictions?endpoint=tiny", None),
        ("get", "/api/v1/events", "/api/v1/events?limit=5", None),
        ("get", "/api/v1/config", "/api/v1/config", None),
        ("get", "/api/v1/info", "/api/v1/info", None),
        ("get", "/api/v1/alerts/rules", "/api/v1/alerts/rules", None),
        ("post", "/api/v1/audit/verify", "/api/v1/audit/verify", {}),
    ],
)
def test_answers_are_as_the_document_says(server, registered_model, document, method, path, target, body):
    answer = requests.request(method, server.url + target, json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    schema = document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())


def test_failures_are_as_the_document_says(server, registered_model, document):
    answer = requests.post(server.url + "/predict/tiny", json={"age": 1}, timeout=30)
    assert answer.status_code == 400
    Draft202012Validator({**document["components"]["schemas"]["Error"], "components": document["components"]}).validate(
        answer.json()
    )
