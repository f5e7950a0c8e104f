# SPDX-License-Identifier: Apache-2.0
"""MLflow's own page, from the installed wheel, over our server: it shows what clients logged, without an error."""

from __future__ import annotations

import pathlib

import mlflow
import pytest
import requests
import tiny_models
from mlflow import MlflowClient

# Routes of MLflow's assistant, and of its login, which the page tries and does without.
DOES_WITHOUT = ["mlflow/assistant/", "mlflow/users/current"]


@pytest.fixture(scope="module")
def logged(server):
    mlflow.set_tracking_uri(server.url)
    client = MlflowClient()
    experiment = client.create_experiment("seen in the page", tags={"team": "blue"})
    run = client.create_run(experiment, run_name="first-run")
    for step in range(20):
        client.log_metric(run.info.run_id, "auc", step / 20, step=step)
    client.log_param(run.info.run_id, "depth", 7)
    client.log_text(run.info.run_id, "a note", "notes/note.txt")
    client.set_terminated(run.info.run_id)
    tiny_models.register(server.url, "shown-model")
    return experiment, run.info.run_id


def open_page(browser, server, place):
    browser.open(url=f"{server.url}/mlflow/#{place}", width=1600, height=1000)


def no_errors(browser, server):
    errors = [e for e in browser.errors() if not any(word in e for word in DOES_WITHOUT)]
    toasts = browser.texts(selector="[class*=notification-notice-error], [class*=du-bois-light-notification-notice]")
    assert (errors, toasts) == ([], [])


def test_the_page_lists_experiments(browser, server, logged):
    open_page(browser, server, "/experiments")
    browser.see(text="seen in the page")
    no_errors(browser, server)


def test_the_page_lists_runs(browser, server, logged):
    open_page(browser, server, f"/experiments/{logged[0]}/runs")
    browser.see(text="first-run")
    no_errors(browser, server)


def test_the_page_shows_a_run(browser, server, logged):
    open_page(browser, server, f"/experiments/{logged[0]}/runs/{logged[1]}")
    for text in ["first-run", "auc", "0.95", "depth", "7", "Finished"]:
        browser.see(text=text)
    no_errors(browser, server)


def test_the_page_draws_a_metric(browser, server, logged):
    open_page(browser, server, f"/experiments/{logged[0]}/runs/{logged[1]}/model-metrics")
    browser.until(script="document.querySelectorAll('.js-plotly-plot .scatterlayer path').length > 0")
    no_errors(browser, server)


def test_the_page_shows_an_artifact(browser, server, logged):
    open_page(browser, server, f"/experiments/{logged[0]}/runs/{logged[1]}/artifacts")
    browser.see(text="notes")
    browser.click(selector="text=notes")
    browser.see(text="note.txt")
    browser.click(selector="text=note.txt")
    browser.see(text="a note")
    no_errors(browser, server)


def test_the_page_lists_models(browser, server, logged):
    open_page(browser, server, "/models")
    browser.see(text="shown-model")
    no_errors(browser, server)
    open_page(browser, server, "/models/shown-model")
    browser.see(text="Version 1")
    no_errors(browser, server)


def test_only_the_files_of_the_page_are_served(server):
    assert "static-files" in requests.get(f"{server.url}/mlflow/", timeout=10).text
    for path in [
        "static-files/../../../../__init__.py",
        "static-files/%2e%2e/%2e%2e/__init__.py",
        "static-files/none.js",
    ]:
        assert requests.get(f"{server.url}/mlflow/{path}", timeout=10).status_code == 404
    build = pathlib.Path(mlflow.__file__).parent / "server" / "js" / "build"
    script = next(build.glob("static/js/main.*.js"))
    got = requests.get(f"{server.url}/mlflow/static-files/static/js/{script.name}", timeout=30)
    assert got.content == script.read_bytes()
    assert got.headers["Content-Type"].startswith("text/javascript")
