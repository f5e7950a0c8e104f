# SPDX-License-Identifier: Apache-2.0
"""The gates and the lineage of a version on the page: judged, approved, set aside and taken back in a real Chromium."""

from __future__ import annotations

import json

import pytest
import tiny_models
from browser import Browser
from slipway_server import Server

POLICY = {"override": ["ada"], "rules": [{"models": "tiny", "gates": {"approval": {"by": ["ada"], "count": 1}}}]}


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    config = folder / "slipway.yaml"
    config.write_text(json.dumps({"registry": {"policy": POLICY}}))
    server = Server(folder / "data", "--config", str(config)).start()
    tiny_models.register(server.url, "tiny", dataset=False)
    yield server
    server.kill()


@pytest.fixture
def page(browser, gated):
    browser.open(url=gated.url)
    browser.see(selector="#models", text="v1")
    browser.click_text(".version-row", "v1")
    browser.see(selector=".gates", text="Run the gates")
    return browser


def fill(page: Browser, **values: str) -> None:
    page.see(selector=".say", text="Your name")
    for name, value in values.items():
        page.run(
            script=f"(() => {{ const one = document.querySelector('.say [name={name}]'); "
            f"one.value = {json.dumps(value)}; one.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
        )
    page.run(script="document.querySelector('.say').requestSubmit()")


def test_a_person_runs_the_gates_approves_and_sets_one_aside(page, gated):
    page.click_text(".gates button", "Run the gates")
    fill(page, to="Staging", actor="ada")
    page.see(selector=".gate-run", text="Failed")
    page.see(selector=".gate-run", text="for Staging by ada")
    page.see(selector=".verdicts", text="dataset_hash is missing")
    page.see(selector=".verdicts", text="0 of 1 approvals")
    page.run(script="document.querySelectorAll('.evidence').forEach((one) => (one.open = true))")
    assert page.count(selector=".evidence dd") > 0

    page.click_text(".gates button", "Approve")
    fill(page, to="Staging", reason="looked at it", actor="ada")
    page.see(selector=".words", text="looked at it")
    assert gated.get("/api/v1/models/tiny/versions/1/approvals")["approvals"][0]["actor"] == "ada"

    page.click_text(".verdict-override", "metadata")
    fill(page, to="Staging", reason="hurry", actor="mallory")
    page.see(selector=".say .fault", text="may not override")
    fill(page, to="Staging", reason="the data set is lost", actor="ada", expires="2099-01-01T00:00")
    page.see(selector=".words", text="the data set is lost")
    page.see(selector=".words", text="Holds until")

    page.click_text(".gates button", "Run the gates")
    fill(page, to="Staging", actor="ada")
    page.see(selector=".gate-run", text="Passed")
    page.see(selector=".verdicts", text="set aside")
    page.click_text(".words button", "Take back")
    fill(page, actor="ada")
    page.see(selector=".words", text="Taken back")
    assert page.findings()["origins"] == [gated.url]


def test_the_lineage_of_a_version_is_shown(page):
    page.see(selector=".chain", text="tiny v1")
    page.see(selector=".chain", text="commit 0123456789ab")
    page.see(selector=".chain", text="not recorded")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_to_stumble_over(browser, gated, theme):
    browser.open(url=gated.url, theme=theme)
    browser.see(selector="#models", text="v1")
    browser.click_text(".version-row", "v1")
    browser.see(selector=".chain", text="tiny v1")
    browser.click_text(".gates button", "Approve")
    browser.run(script="document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert browser.stumbles() == []
    browser.open(url=gated.url, width=390, height=844, theme=theme)
    browser.see(selector="#models", text="v1")
    browser.click_text(".version-row", "v1")
    browser.see(selector=".chain", text="tiny v1")
    assert browser.overflow() == 0
