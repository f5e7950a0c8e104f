# SPDX-License-Identifier: Apache-2.0
"""The page as the binary serves it, over a real server with a real model and real traffic; and that the facts of
web/dev, which the other tests of the page use, have the shapes of a real server's answers."""

from __future__ import annotations

import json
import urllib.request

import pytest
import requests
import tiny_models
from browser import FixtureServer


def predict(server, rows, request_id: str) -> None:
    inputs = [
        {"name": name, "datatype": "FP32", "shape": [len(rows), 1], "data": rows[:, i].tolist()}
        for i, name in enumerate(tiny_models.FEATURES)
    ]
    answer = requests.post(f"{server.url}/v2/models/tiny/infer", json={"id": request_id, "inputs": inputs}, timeout=30)
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def watched(server, registered_model):
    """Endpoint `tiny` after 400 predictions with their labels, and a second version that a gate refused."""
    rows = tiny_models.rows(400, seed=3)
    predict(server, rows, "first")
    truth = (tiny_models.score(rows) > 0.5).astype(int)
    labels = [{"request_id": "first", "row": i, "value": int(value)} for i, value in enumerate(truth)]
    server.post("/api/v1/labels", {"endpoint": "tiny", "labels": labels})
    refused = tiny_models.register(server.url, "tiny", dataset=False)
    transition = f"{server.url}/api/v1/models/tiny/versions/{refused}/transition"
    answer = requests.post(transition, json={"to": "Staging"}, timeout=60)
    assert answer.json()["error"]["reason"] == "gate_failed", answer.text
    return server


@pytest.fixture
def page(browser, watched):
    browser.open(url=watched.url)
    browser.see(selector=".connection", text="Live")
    browser.see(selector="#models", text="Production")
    browser.see(selector=".arms", text="stable")
    yield browser
    assert browser.errors() == []
    assert browser.findings()["origins"] == [watched.url]


def test_shows_the_model_its_stage_and_who_answers(page):
    rows = page.texts(selector=".version-row")
    assert rows[0].startswith("v1")
    assert "Production" in rows[0]
    assert page.texts(selector=".figure-value")[0] == "v1"
    assert [text.replace("\u202f", "") for text in page.texts(selector=".arms td[data-label=Share]")] == ["100%"]


def test_says_why_a_version_was_refused(page):
    page.see(selector=".version-row", text="dataset_hash is missing")
    page.see(selector=".decisions", text="Refused by gates")
    page.click_text(".version-row", "v2")
    page.see(selector=".verdicts", text="dataset_hash is missing")
    page.see(selector=".facts", text="w0 1")
    page.run(script="document.querySelector('.version-row[aria-expanded=true]').click()")


def test_counts_requests_and_hears_events_without_reload(page, watched):
    page.run(script="window.notReloaded = true")
    before = watched.get("/api/v1/endpoints/tiny")["arms"][0]["requests"]
    for i in range(5):
        predict(watched, tiny_models.rows(1, seed=i), f"more-{i}")
    page.see(selector=".arms td[data-label=Requests]", text=str(before + 5))
    version = tiny_models.register(watched.url, "tiny")
    page.see(selector=".events", text=f"tiny v{version} registered")
    page.see(selector=".version-row", text=f"v{version}")
    assert page.run(script="window.notReloaded") is True


def test_shows_the_open_window_and_its_distributions(page):
    page.until(script="document.querySelectorAll('.heat tbody tr').length === 3")  # the prediction and two features
    page.see(selector="#quality", text="AUC")
    page.see(selector=".drift-detail", text="Baseline")
    assert page.count(selector=".bins tbody tr") > 5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_to_stumble_over(browser, watched, theme):
    browser.open(url=watched.url, theme=theme)
    browser.see(selector=".drift-detail", text="Baseline")
    browser.see(selector="#models", text="Production")
    browser.run(script="document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert browser.stumbles() == []


def test_fits_a_telephone(browser, watched):
    browser.open(url=watched.url, width=390, height=844)
    browser.see(selector=".drift-detail", text="Baseline")
    browser.see(selector="#models", text="Production")
    assert browser.overflow() == 0
    assert browser.errors() == []


def missing(fixture, real, where: str) -> list[str]:
    """Names that the fixture has and the real answer lacks, but those that are names of features, tags, parameters."""
    if isinstance(fixture, list) and isinstance(real, list):
        return missing(fixture[0], real[0], f"{where}[0]") if fixture and real else []
    if not isinstance(fixture, dict) or not isinstance(real, dict):
        return []
    if where.rsplit(".", 1)[-1] in ("psi", "tags", "aliases", "params", "metrics", "evidence", "data"):
        return []
    lacking = []
    for key, value in fixture.items():
        name = f"{where}.{key}"
        lacking += missing(value, real[key], name) if key in real else [name]
    return lacking


@pytest.mark.parametrize(
    ("path", "fixture_path"),
    [
        ("/api/v1/info", "/api/v1/info"),
        ("/api/v1/models", "/api/v1/models"),
        ("/api/v1/models/tiny/versions/1", "/api/v1/models/flights/versions/1"),
        ("/api/v1/endpoints", "/api/v1/endpoints"),
        ("/api/v1/events?type_prefix=version.", "/api/v1/events?type_prefix=version."),
        ("/api/v1/events?type_prefix=endpoint.", "/api/v1/events?type_prefix=endpoint."),
        ("/api/v1/monitoring/tiny/windows", "/api/v1/monitoring/flights/windows"),
        ("/api/v1/monitoring/tiny/drift", "/api/v1/monitoring/flights/drift"),
        ("/api/v1/rollouts", "/api/v1/rollouts"),
        ("/api/v1/alerts", "/api/v1/alerts"),
        ("/api/v1/pipelines/runs", "/api/v1/pipelines/runs"),
        ("/api/v1/decisions", "/api/v1/decisions"),
    ],
)
def test_the_fixture_has_the_shape_of_the_server(watched, fixture_facts, path, fixture_path):
    real = requests.get(watched.url + path, timeout=30)
    assert real.status_code == 200, real.text
    with urllib.request.urlopen(fixture_facts + fixture_path, timeout=30) as answer:
        fixture = json.load(answer)
    assert missing(fixture, real.json(), "") == []


@pytest.fixture(scope="module")
def fixture_facts():
    running = FixtureServer("story")
    yield running.url.rstrip("/")
    running.close()
