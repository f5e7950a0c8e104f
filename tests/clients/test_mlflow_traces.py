# SPDX-License-Identifier: Apache-2.0
"""MLflow's tracing with its own client: search, tags, deletion; OpenTelemetry's exporter; calls of older clients."""

from __future__ import annotations

import contextlib
import time

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import SpanType
from mlflow.exceptions import MlflowException


@pytest.fixture(scope="module")
def client(server):
    mlflow.set_tracking_uri(server.url)
    mlflow.set_experiment("traced")
    return MlflowClient()


@pytest.fixture(scope="module")
def experiment(client):
    return client.get_experiment_by_name("traced").experiment_id


@mlflow.trace(span_type=SpanType.TOOL, attributes={"unit": "square"})
def square(x):
    if x < 0:
        raise ValueError("negative")
    return x * x


@mlflow.trace(name="summing")
def summing(n):
    mlflow.update_current_trace(tags={"size": str(n)}, metadata={"origin": "test"})
    return sum(square(i) for i in range(n))


@pytest.fixture(scope="module")
def traces(client, experiment):
    """The ids of three traces: of sizes 2 and 3, and of a failure."""
    ids = []
    for call in [lambda: summing(2), lambda: summing(3), lambda: square(-1)]:
        with contextlib.suppress(ValueError):
            call()
        ids.append(mlflow.get_last_active_trace_id())
        now = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 <= now:  # the next one begins in another millisecond
            pass
    mlflow.flush_trace_async_logging()
    return ids


def test_a_trace_comes_back_with_its_spans(traces):
    trace = mlflow.get_trace(traces[1])
    assert trace.info.state == "OK"
    assert trace.info.execution_duration is not None
    assert trace.info.tags["size"] == "3"
    assert trace.info.trace_metadata["origin"] == "test"
    assert trace.info.request_preview
    assert [span.name for span in trace.data.spans].count("square") == 3
    (root,) = [span for span in trace.data.spans if span.parent_id is None]
    assert (root.name, root.inputs, root.outputs) == ("summing", {"n": 3}, 5)
    child = next(span for span in trace.data.spans if span.inputs == {"x": 2})
    assert (child.span_type, child.parent_id, child.outputs) == (SpanType.TOOL, root.span_id, 4)
    assert child.attributes["unit"] == "square"
    failed = mlflow.get_trace(traces[2])
    assert failed.info.state == "ERROR"
    assert failed.data.spans[0].events[0].attributes["exception.message"] == "negative"


def test_traces_are_searched_sorted_and_paged(client, experiment, traces):
    def found(query=None, **options):
        page = client.search_traces(locations=[experiment], filter_string=query, **options)
        return [trace.info.trace_id for trace in page]

    assert found() == traces[::-1]
    assert found(order_by=["timestamp_ms ASC"]) == traces
    assert found("status = 'ERROR'") == traces[2:]
    assert found("tags.size = '2'") == traces[:1]
    assert found("tags.size IS NULL") == traces[2:]
    assert found("trace.name = 'summing' AND metadata.origin LIKE 'te%'") == traces[1::-1]
    assert found("name IN ('square', 'other')") == traces[2:]
    assert found("execution_time_ms >= 0 AND timestamp_ms > 0", order_by=["timestamp_ms"]) == traces
    assert found("run_id = 'none'") == []
    first = client.search_traces(locations=[experiment], max_results=2)
    rest = client.search_traces(locations=[experiment], max_results=2, page_token=first.token)
    assert [t.info.trace_id for t in [*first, *rest]] == traces[::-1]
    assert not rest.token
    table = mlflow.search_traces(locations=[experiment], filter_string="tags.size = '3'")
    assert len(table) == 1
    assert table.iloc[0]["response"] == 5 or str(table.iloc[0]["response"]) == "5"
    for bad in ["nonsense = 'x'", "tags.size > 'x'", "status = 1", "timestamp_ms = 'x'"]:
        with pytest.raises(MlflowException) as failure:
            found(bad)
        assert failure.value.error_code == "INVALID_PARAMETER_VALUE"


def test_tags_are_set_and_deleted(client, traces):
    client.set_trace_tag(traces[0], "checked", "yes")
    assert mlflow.get_trace(traces[0]).info.tags["checked"] == "yes"
    client.delete_trace_tag(traces[0], "checked")
    assert "checked" not in mlflow.get_trace(traces[0]).info.tags
    with pytest.raises(MlflowException) as failure:
        client.delete_trace_tag(traces[0], "checked")
    assert failure.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(MlflowException) as failure:
        client.set_trace_tag("tr-none", "a", "b")
    assert failure.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_run_is_the_source_of_its_traces(client, experiment):
    with mlflow.start_run() as run:
        square(7)
    mlflow.flush_trace_async_logging()
    page = client.search_traces(locations=[experiment], run_id=run.info.run_id)
    assert [trace.data.spans[0].outputs for trace in page] == [49]


def test_traces_are_deleted(client, server):
    experiment = mlflow.create_experiment("short-lived")
    mlflow.set_experiment(experiment_id=experiment)
    for i in range(4):
        square(i)
        now = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 <= now:
            pass
    mlflow.flush_trace_async_logging()
    ids = [trace.info.trace_id for trace in client.search_traces(locations=[experiment], order_by=["timestamp_ms"])]
    assert client.delete_traces(experiment, trace_ids=ids[3:]) == 1
    newest = mlflow.get_trace(ids[2]).info.request_time
    assert client.delete_traces(experiment, max_timestamp_millis=newest, max_traces=1) == 1
    assert [t.info.trace_id for t in client.search_traces(locations=[experiment])] == ids[2:0:-1]
    assert client.delete_traces(experiment, max_timestamp_millis=newest) == 2
    assert mlflow.get_trace(ids[0]) is None
    mlflow.set_experiment("traced")


def test_opentelemetry_exports_to_it(client, server):
    """What OpenTelemetry's HTTP exporter sends: its encoder's message, for spans of its SDK."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    experiment = client.create_experiment("opentelemetry")
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    outer = spans.add(trace_id=bytes(range(16)), span_id=b"12345678", name="outer", kind=2)
    outer.start_time_unix_nano, outer.end_time_unix_nano = 1_700_000_000_000_000_000, 1_700_000_000_250_000_000
    outer.status.code = 1
    outer.attributes.add(key="words").value.array_value.values.add(string_value="a")
    outer.attributes.add(key="count").value.int_value = 2**53 + 1
    inner = spans.add(trace_id=bytes(range(16)), span_id=b"abcdefgh", parent_span_id=b"12345678", name="inner")
    inner.start_time_unix_nano = inner.end_time_unix_nano = 1_700_000_000_100_000_000
    headers = {"x-mlflow-experiment-id": experiment, "Content-Type": "application/x-protobuf"}
    answer = requests.post(f"{server.url}/v1/traces", request.SerializeToString(), headers=headers, timeout=10)
    assert (answer.status_code, answer.content) == (200, b"")
    (trace,) = client.search_traces(locations=[experiment])
    assert (trace.info.state, trace.info.request_time, trace.info.execution_duration) == ("OK", 1_700_000_000_000, 250)
    assert trace.info.trace_id == "tr-" + bytes(range(16)).hex()
    assert [span.name for span in trace.data.spans] == ["outer", "inner"]
    assert trace.data.spans[0].attributes["words"] == ["a"]
    assert trace.data.spans[0].attributes["count"] == 2**53 + 1
    assert trace.data.spans[1].parent_id == trace.data.spans[0].span_id


def test_what_is_no_export_is_refused(server):
    good = {"Content-Type": "application/x-protobuf", "X-Mlflow-Experiment-Id": "0"}
    for headers, body, why in [
        (good, b"\xff\xff", "not an ExportTraceServiceRequest"),
        (good, b"", "no spans found"),
        ({**good, "Content-Type": "text/plain"}, b"", "Invalid Content-Type"),
        ({"Content-Type": "application/x-protobuf"}, b"", "x-mlflow-experiment-id"),
    ]:
        answer = requests.post(f"{server.url}/v1/traces", body, headers=headers, timeout=10)
        assert answer.status_code == 400, answer.text
        assert why in answer.json()["message"]


def test_the_calls_of_older_clients(client, experiment):
    store = client._tracking_client.store
    started = store.deprecated_start_trace_v2(experiment, 1000, {"a": "1"}, {"team": "blue"})
    from mlflow.entities.trace_status import TraceStatus

    ended = store.deprecated_end_trace_v2(started.request_id, 1250, TraceStatus.OK, {"b": "2"}, {"team": "red"})
    assert (ended.timestamp_ms, ended.execution_time_ms, ended.status) == (1000, 250, TraceStatus.OK)
    assert ended.request_metadata == {"a": "1", "b": "2"}
    assert ended.tags["team"] == "red"
