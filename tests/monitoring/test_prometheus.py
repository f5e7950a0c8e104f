# SPDX-License-Identifier: Apache-2.0
"""deploy/ (rules, dashboard) with a real Prometheus and a real server under traffic."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import requests
from slipway_server import ROOT

DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "slipway.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
UNITS = {"reqps", "cps", "percentunit", "s", "none", "bytes"}


def expression_now(expression: str) -> str:
    """As Grafana would send it, over spans that fit a test's few seconds."""
    expression = expression.replace("$__rate_interval", "10s").replace("$endpoint", ".*")
    return re.sub(r"\[(5m|15m|30m|1h|6h)\]", "[10s]", expression)


@pytest.mark.parametrize(
    ("title", "expression"), EXPRESSIONS, ids=[f"{title}-{i}" for i, (title, _) in enumerate(EXPRESSIONS)]
)
def test_every_panels_query_returns_data(prometheus, title, expression):
    now = expression_now(expression)
    if "queue_seconds" in expression:  # not a number while no request has waited
        assert prometheus.wait(now, 40)
        return
    values = prometheus.wait(f"({now}) >= 0", 40)
    assert all(float(one["value"][1]) >= 0 for one in values)


def test_the_dashboard_has_one_data_source_and_units():
    names = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert names["datasource"]["type"] == "datasource"
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["description"], panel["title"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_drift_is_seen_in_the_dashboards_series(prometheus):
    series = prometheus.wait('slipway_monitoring_feature_psi{feature="age"} > 0.2', 40)
    assert series[0]["metric"]["endpoint"] == "tiny"


def test_rules_are_right_and_do_what_they_say():
    for command in (["check", "rules", "slipway.rules.yml"], ["test", "rules", "slipway.rules.test.yml"]):
        done = subprocess.run(
            ["promtool", *command], cwd=DEPLOY / "prometheus", capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_rules_metric_is_on_metrics(server):
    text = (DEPLOY / "prometheus" / "slipway.rules.yml").read_text()
    wanted = set(re.findall(r"slipway_(?:serving|monitoring|storage|traffic|base)_[a-z_]+", text))
    # These two families begin with the first failure of their kind.
    wanted -= {"slipway_monitoring_alert_deliveries_total", "slipway_base_folded_label_sets_total"}
    served = requests.get(server.url + "/metrics", timeout=10).text
    server.wait_for(lambda: "slipway_monitoring_quality" in requests.get(server.url + "/metrics", timeout=10).text)
    served = requests.get(server.url + "/metrics", timeout=10).text
    missing = {name for name in wanted if not re.search(rf"^{name}[{{ ]", served, re.MULTILINE)}
    assert not missing


def test_promtool_finds_nothing_to_complain_of(server):
    text = requests.get(server.url + "/metrics", timeout=10).text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
