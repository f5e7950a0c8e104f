# SPDX-License-Identifier: Apache-2.0
"""The prediction log from outside: tables that pandas and DuckDB read, SQL, labels as tables, redaction, retention."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pandas as pd
import pytest
import requests
import tiny_models
from slipway_server import Server

CONFIG = """
monitoring:
  segment_bytes: 65536
  redaction_salt: a salt of sixteen bytes
  sql_timeout: 1s
  sql_memory_mb: 128
  endpoints:
    tiny: {hash: [key]}
"""
SECRET = "customer-4711-secret"


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A server whose log has several archived segments and an open one; and the ids of what was asked."""
    folder = tmp_path_factory.mktemp("log")
    config = folder / "slipway.yaml"
    config.write_text(CONFIG)
    server = Server(folder / "data", "--config", str(config)).start()
    version = tiny_models.register(server.url, "tiny")
    for stage in ("Staging", "Production"):
        server.post(f"/api/v1/models/tiny/versions/{version}/transition", {"to": stage})
    names = lambda: [e["name"] for e in server.get("/api/v1/endpoints")["endpoints"]]  # noqa: E731
    server.wait_for(lambda: "tiny" in names(), 30, "endpoint tiny")
    session = requests.Session()
    ids = []
    for i in range(40):
        rows = tiny_models.rows(20, seed=i).tolist()
        body = {"dataframe_split": {"columns": tiny_models.FEATURES, "data": rows}}
        headers = {"slipway-key": f"{SECRET}-{i}", "x-request-id": f"request-{i}"}
        answer = session.post(f"{server.url}/endpoints/tiny/invocations", json=body, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        ids.append(answer.headers["slipway-prediction-id"])
    yield server, ids
    server.stop()


def sql(server: Server, query: str, expect: int = 200, **more) -> dict:
    answer = requests.post(f"{server.url}/api/v1/sql", json={"query": query, **more}, timeout=60)
    assert answer.status_code == expect, answer.text
    return answer.json()


def test_sql_sees_what_was_just_predicted(logged):
    server, ids = logged
    assert sql(server, "SELECT count(*) FROM predictions")["rows"] == [[800]]
    answer = sql(server, "SELECT version, ok, max(time) AS newest FROM predictions GROUP BY ALL")
    assert [c["name"] for c in answer["columns"]] == ["version", "ok", "newest"]
    assert answer["rows"][0][:2] == [1, True]
    first = ids[0].split(".")[0]
    row = sql(server, f"SELECT input_age, id FROM predictions WHERE id = '{first}.3'")["rows"]
    assert row[0][0] == pytest.approx(float(tiny_models.rows(20, seed=0)[3][0]), rel=1e-6)
    assert json.loads(server.cli("sql", "SELECT 1 + 1 AS two"))["rows"] == [[2]]


def test_sql_has_limits_and_no_way_out(logged, tmp_path):
    server, _ = logged
    target = tmp_path / "written.csv"
    attacks = [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
        f"COPY (SELECT 1) TO '{target}'",
        f"EXPORT DATABASE '{target}'",
        "ATTACH '/tmp/x.db' AS x",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "CREATE TABLE t AS SELECT 1",
        "CREATE OR REPLACE TEMP VIEW predictions AS SELECT 1",
        "DROP VIEW predictions",
        "INSERT INTO predictions SELECT * FROM predictions",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/slipway-explained.csv'",
        "SELECT 1; SELECT 2",
        "SELECT 1 FROM nothing",
        "nonsense",
        "",
    ]
    for attack in attacks:
        refused = sql(server, attack, expect=400)
        assert refused["error"]["field"] == "query", (attack, refused)
    assert not target.exists()
    start = time.monotonic()
    endless = sql(server, "SELECT count(*) FROM range(1000000000000) a", expect=504)
    assert endless["error"]["reason"] == "sql_timeout"
    assert time.monotonic() - start < 20
    bomb = "SELECT list(a || repeat('x', 1000)) IS NULL FROM (SELECT range::VARCHAR a FROM range(100000000))"
    refused = requests.post(f"{server.url}/api/v1/sql", json={"query": bomb}, timeout=60)
    assert refused.json()["error"]["reason"] in ("sql_memory", "sql_timeout"), refused.text
    answer = sql(server, "SELECT id FROM predictions", limit=5)
    assert len(answer["rows"]) == 5
    assert answer["truncated"]


def archived(server: Server) -> list:
    return sorted((server.data / "archive").rglob("*.parquet"))


def test_closed_segments_are_tables_for_pandas_and_duckdb(logged, tmp_path):
    server, _ = logged
    rows = 0
    session = requests.Session()
    body = {"dataframe_split": {"columns": tiny_models.FEATURES, "data": tiny_models.rows(500).tolist()}}
    while not archived(server) or rows < 5000:
        answer = session.post(f"{server.url}/endpoints/tiny/invocations", json=body, timeout=30)
        assert answer.status_code == 200
        rows += 500
        if rows >= 5000:
            server.wait_for(lambda: archived(server), 20, "a table in the archive")
    before = sql(server, "SELECT count(*) FROM predictions")["rows"][0][0]
    assert before == 800 + rows
    table = pd.read_parquet(server.data / "archive")
    assert set(table["endpoint"]) == {"tiny"}
    assert {"id", "time", "input_age", "input_income", "version"} <= set(table.columns)
    # The same engine that people use, in a process of its own.
    script = (
        "import duckdb,sys; print(duckdb.sql(f\"SELECT count(*) FROM '{sys.argv[1]}/**/*.parquet'\").fetchone()[0])"
    )
    counted = subprocess.run(
        [sys.executable, "-c", script, str(server.data / "archive")], capture_output=True, text=True, check=False
    )
    if counted.returncode == 0:
        assert int(counted.stdout) >= len(table)
    server.kill()
    server.start()
    assert sql(server, "SELECT count(*) FROM predictions")["rows"] == [[before]]
    assert json.loads(server.cli("predictions", "count", "--endpoint", "tiny"))["rows"] == before


def test_what_is_hashed_is_in_no_file(logged):
    server, ids = logged
    files = [path for path in server.data.rglob("*") if path.is_file() and path.name != "server.log"]
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
    found = server.get(f"/api/v1/predictions/{ids[0].split('.')[0]}.0")
    assert len(found["key"]) == 64
    assert SECRET not in json.dumps(found)


def test_labels_come_as_csv_and_as_parquet(logged, tmp_path):
    server, ids = logged
    record = ids[1].split(".")[0]
    url = f"{server.url}/api/v1/labels?endpoint=tiny"
    text = f"prediction_id,value,time\n{record}.0,1,\n{record}.1,0,\n"
    answer = requests.post(url, data=text, headers={"content-type": "text/csv"}, timeout=30)
    assert answer.json()["accepted"] == 2, answer.text
    bad = text + f'{record}.2,"1",yesterday\n'
    answer = requests.post(url, data=bad, headers={"content-type": "text/csv"}, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "row 3, column time"
    answer = requests.post(url + "&partial=true", data=bad, headers={"content-type": "text/csv"}, timeout=30).json()
    assert (answer["accepted"], answer["duplicate"], answer["refused"]) == (2, 2, 1)
    table = tmp_path / "labels.parquet"
    now = pd.Timestamp.now(tz="UTC")
    pd.DataFrame({"key": [f"{SECRET}-2"], "row": [4], "value": [True], "time": [now]}).to_parquet(table)
    answer = requests.post(
        url, data=table.read_bytes(), headers={"content-type": "application/vnd.apache.parquet"}, timeout=30
    )
    assert answer.json()["accepted"] == 1, answer.text
    wanted = ids[2].split(".")[0]
    rows = sql(server, "SELECT prediction_id, value FROM labels ORDER BY arrived DESC LIMIT 1")["rows"]
    assert rows == [[f"{wanted}.4", "true"]]
    unknown = requests.post(
        url, data=f"key,value,time\nnobody,1,{now.isoformat()}\n", headers={"content-type": "text/csv"}, timeout=30
    )
    assert unknown.json()["error"]["field"] == "row 1, column key"
    joined = sql(server, "SELECT count(*) FROM predictions p JOIN labels l ON p.id = l.prediction_id")
    assert joined["rows"] == [[3]]


def test_predictions_are_found_by_score_and_feature(logged):
    server, ids = logged
    all_of_one = tiny_models.rows(20, seed=5)
    value = float(all_of_one[7][0])
    page = server.get("/api/v1/predictions", endpoint="tiny", feature=f"age:{value!r}", limit=50)
    found = page["predictions"]
    while page.get("next_page_token") and not found:
        page = server.get(
            "/api/v1/predictions", endpoint="tiny", feature=f"age:{value!r}", page_token=page["next_page_token"]
        )
        found += page["predictions"]
    assert f"{ids[5].split('.')[0]}.7" in [prediction["id"] for prediction in found]
    high = server.get("/api/v1/predictions", endpoint="tiny", score_min=0.5, limit=20)["predictions"]
    assert high
    answer = requests.get(f"{server.url}/api/v1/predictions?score_min=x", timeout=30)
    assert answer.json()["error"]["field"] == "score_min"
