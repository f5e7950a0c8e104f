# SPDX-License-Identifier: Apache-2.0
"""The forms of /metrics, and native histograms in a real Prometheus."""

from __future__ import annotations

import re

import pytest
import requests
from observed import Prometheus

OPEN_METRICS = "application/openmetrics-text"
PROTOBUF = "application/vnd.google.protobuf"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        (f"{OPEN_METRICS};version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5", OPEN_METRICS),
        (f"{PROTOBUF};proto=io.prometheus.client.MetricFamily;encoding=delimited,{OPEN_METRICS};q=0.8", PROTOBUF),
        (f"{PROTOBUF};q=0.1,{OPEN_METRICS};q=0.8", OPEN_METRICS),
    ],
)
def test_a_scraper_gets_the_form_it_wants_most(server, accept, content_type):
    answer = requests.get(server.url + "/metrics", headers={"Accept": accept}, timeout=10)
    assert answer.headers["Content-Type"].startswith(content_type)
    if content_type == OPEN_METRICS:
        assert answer.text.endswith("# EOF\n")
        assert "slipway_serving_requests_created{" in answer.text


@pytest.fixture(scope="module")
def native(server, tmp_path_factory):
    one = Prometheus(tmp_path_factory.mktemp("native"), server.http, "--enable-feature=native-histograms")
    yield one
    one.close()


def test_native_histograms_answer_quantiles(native, server):
    quantile = native.wait("histogram_quantile(0.9, sum(rate(slipway_serving_request_seconds[10s])))")
    assert 0 < float(quantile[0]["value"][1]) < 30
    count = native.wait("histogram_count(slipway_serving_request_seconds)")
    assert sum(float(one["value"][1]) for one in count) > 0
    # Of the same values as the classic buckets: the sum agrees with what the text form shows later.
    total = float(native.wait("sum(histogram_sum(slipway_serving_request_seconds))")[0]["value"][1])
    text = requests.get(server.url + "/metrics", timeout=10).text
    later = sum(
        float(value) for value in re.findall(r"^slipway_serving_request_seconds_sum\S* (\S+)$", text, re.MULTILINE)
    )
    assert 0 < total <= later * 1.000001
