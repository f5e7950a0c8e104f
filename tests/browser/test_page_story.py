# SPDX-License-Identifier: Apache-2.0
"""What a person sees and can do on the page, over the facts of web/dev (their shapes are compared with a real server's
in test_page.py), and the unit tests of its pure parts."""

from __future__ import annotations

import subprocess

import pytest
from browser import WEB, FixtureServer


@pytest.fixture(scope="module")
def story():
    running = FixtureServer("story")
    yield running
    running.close()


@pytest.fixture(scope="module")
def large():
    running = FixtureServer("large")
    yield running
    running.close()


@pytest.fixture
def page(browser, story):
    browser.open(url=story.url)
    browser.see(selector=".connection", text="Live")
    browser.see(selector=".drift-detail", text="Baseline")
    browser.see(selector="#models", text="v6")
    yield browser
    assert browser.errors() == []


def test_pure_parts():
    done = subprocess.run(["npm", "test"], cwd=WEB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_shows_who_answers_and_why(page):
    assert page.texts(selector=".figure-value")[0] == "v6"
    assert [row.split()[:2] for row in page.texts(selector=".arms tbody tr")] == [["stable", "v6"], ["candidate", "v1"]]
    shares = [text.replace("\u202f", "") for text in page.texts(selector=".arms td[data-label=Share]")]
    assert sum(float(share.rstrip("%")) for share in shares) == 100
    rollout = page.texts(selector=".rollout")[0]
    assert "Rolling out" in rollout
    assert "waiting for loss" in rollout
    assert page.texts(selector=".analysis .verdict") == ["Pass", "Pass", "Undecided"]
    assert page.count(selector=".analysis svg.interval") >= 3


def test_shows_versions_with_the_reason_of_their_stage_and_their_verdicts(page):
    rows = page.texts(selector=".version-row")
    assert "Production" in rows[0]
    assert "its rollout was promoted" in rows[0]
    page.click(selector="#models .more")
    page.see(selector=".version-row", text="v9")
    page.click_text(".version-row", "v9")
    page.see(selector=".verdicts", text="dataset_hash is missing")
    assert "not recorded" in page.texts(selector=".facts")[0]


def test_shows_quality_with_alarms_and_tenures(page):
    windows = page.count(selector=".chart .hover")
    assert windows == 19
    assert page.count(selector=".chart .panel.auc .dot") == windows
    assert page.count(selector=".chart .alarm") == 7  # one more is pending
    tenures = page.run(script="[...document.querySelectorAll('.tenure-name')].map((one) => one.textContent)")
    assert tenures == ["v1", "v2", "v6"]
    page.click(selector=".as-table summary")
    assert len(page.texts(selector=".as-table tbody tr")) == windows


def test_a_cell_of_the_heat_map_shows_its_distributions_by_mouse_and_by_keyboard(page):
    assert page.count(selector=".heat tbody tr") == 16
    page.click(selector=".heat [data-row='1'][data-col='15']")
    page.see(selector=".drift-detail", text="24 Sep")
    assert "temp" in page.texts(selector=".drift-detail h3")[0]
    page.press(key="ArrowDown")
    page.press(key="ArrowLeft")
    page.press(key="Enter")
    page.see(selector=".drift-detail", text="10 Sep")
    assert "dewp" in page.texts(selector=".drift-detail h3")[0]
    assert page.count(selector=".heat td[tabindex='0']") == 1
    assert page.run(script="document.getElementById('tooltip').innerText").startswith("dewp\nPSI")


def test_events_arrive_without_reload_and_can_be_filtered(page, story):
    page.run(script="window.notReloaded = true")
    story.emit("alert.firing", "endpoint/flights", {"rule": "error_rate", "summary": "a live alarm, just now"})
    page.see(selector=".events", text="a live alarm, just now")
    assert page.run(script="window.notReloaded") is True
    page.fill(selector=".event-filter input", text="live alarm")
    page.until(script="document.querySelectorAll('.event').length === 1")
    page.fill(selector=".event-filter input", text="")
    page.click_text(".chips button", "Decisions")
    page.until(script="document.querySelectorAll('.event').length === 7")
    page.run(script="document.querySelector('.chips button').click()")


def test_a_refresh_keeps_focus_and_what_is_open(page, story):
    page.click(selector=".competitors summary")
    page.focus(selector=".version-row")
    page.run(script="window.focused = document.activeElement")
    for i in range(3):
        story.emit("rollout.step", "endpoint/flights", {"endpoint": "flights", "to_version": 1, "why": f"refresh {i}"})
        page.see(selector=".events", text=f"refresh {i}")
    assert page.run(script="document.activeElement === window.focused") is True
    assert page.count(selector=".competitors[open]") == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_to_stumble_over(browser, story, theme):
    browser.open(url=story.url, theme=theme)
    browser.see(selector=".drift-detail", text="Baseline")
    browser.see(selector="#models", text="v6")
    browser.click(selector=".version-row")
    browser.see(selector=".verdicts", text="Golden outputs")
    browser.run(script="document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert browser.stumbles() == []
    assert browser.errors() == []


@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_long_names_many_versions_and_many_features_fit(browser, large, width):
    browser.open(url=large.url, width=width, height=844)
    browser.see(selector=".drift-detail", text="Baseline")
    browser.run(script="document.querySelectorAll('#models .more').forEach((one) => one.click())")
    browser.until(script="document.querySelectorAll('.version').length === 40")
    browser.run(script="document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert browser.overflow() == 0
    assert browser.count(selector=".heat tbody tr") == 41
    assert browser.errors() == []


def test_another_endpoint_can_be_chosen(browser, large):
    browser.open(url=large.url)
    browser.see(selector=".drift-detail", text="Baseline")
    browser.run(
        script="(() => { const select = document.querySelector('.choice select'); select.selectedIndex = 1;"
        " select.dispatchEvent(new Event('change', { bubbles: true })); })()"
    )
    browser.see(selector="#quality", text="No window to judge yet")
    browser.see(selector="#drift", text="Nothing to compare yet")
    assert browser.run(script="document.querySelector('.choice select').selectedIndex") == 1


def test_an_empty_server_says_how_to_begin(browser):
    server = FixtureServer("empty")
    try:
        browser.open(url=server.url)
        browser.see(text="No model yet")
        assert f"MLFLOW_TRACKING_URI={server.url.rstrip('/')}" in browser.texts(selector=".command pre")[0]
        assert browser.stumbles() == []
        assert browser.errors() == []
    finally:
        server.close()


def test_says_when_the_server_is_gone_and_comes_back_by_itself(browser):
    server = FixtureServer("story")
    try:
        browser.open(url=server.url)
        browser.see(selector=".connection", text="Live")
        browser.see(selector="#models", text="v6")
        server.close()
        browser.see(selector=".banner", text="does not answer")
        assert "v6" in browser.texts(selector="#models")[0]
        server = FixtureServer("story", server.port)
        browser.until(script="!document.querySelector('.banner')")
        browser.see(selector=".connection", text="Live")
    finally:
        server.close()


def test_loads_nothing_from_elsewhere(page, story):
    assert page.findings()["origins"] == [story.url.rstrip("/")]


def test_the_theme_is_remembered(page):
    page.click(selector="[data-theme-toggle]")
    page.click(selector="[data-theme-toggle]")
    assert page.run(script="document.documentElement.dataset.theme") == "dark"
    page.run(script="void location.reload()")
    page.see(selector=".connection", text="Live")
    assert page.run(script="getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.click(selector="[data-theme-toggle]")


def test_alerts_are_acknowledged_and_silenced_where_they_are_shown(browser):
    own = FixtureServer("story")
    try:
        browser.open(url=own.url)
        browser.see(selector="#alerts", text="Firing")
        states = browser.texts(selector="#alerts .alerts > li .alert-head .badge")
        assert states[:4] == ["Silenced", "Firing", "Firing", "Pending"]
        browser.click(selector="#alerts button[aria-label^='Acknowledge Prediction']")
        browser.see(selector="#alerts", text="Acknowledged by web page")
        browser.click(selector="#alerts button[aria-label^='Silence AUC']")
        silenced = "[...document.querySelectorAll('#alerts .badge')].filter((one) => one.innerText === 'Silenced')"
        browser.until(script=silenced + ".length === 2")
        assert browser.errors() == []
    finally:
        own.close()


def test_finds_one_prediction_and_shows_everything_about_it(page):
    page.fill(selector="#prediction input", text="01PREDICTION")
    page.click(selector="#prediction button")
    page.see(selector="#prediction", text="request r-17")
    text = page.texts(selector="#prediction")[0]
    for part in ("01PREDICTION", "flights v6", "arm stable", "EWR", "0.37", "true, 16", "PSI now"):
        assert part in text, text
