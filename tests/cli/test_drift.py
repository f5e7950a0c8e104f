# SPDX-License-Identifier: Apache-2.0
"""`slipway drift` on files: every score against scipy, verdicts, profiles, kinds of file, exit status."""

from __future__ import annotations

import json
import math
import subprocess

import drift_cases
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial import distance
from slipway_server import BINARY

NUMERIC = ["normal", "skewed", "ties", "holes", "outlier", "large", "tiny", "uniform"]


def run(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(BINARY), "drift", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def report_of(*arguments) -> dict:
    done = run(*arguments, "--output", "json")
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["failed"] == (done.returncode == 1)
    return report | {"by_name": {column["column"]: column for column in report["columns"]}}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One pair of tables as CSV and as Parquet."""
    folder = tmp_path_factory.mktemp("drift")
    reference, current = drift_cases.case(11, 4000, 1500, 0.3)
    for name, table in (("a", reference), ("b", current)):
        table.to_csv(folder / f"{name}.csv", index=False)
        table.to_parquet(folder / f"{name}.parquet", row_group_size=700)
    return folder, reference, current


def finite(table: pd.DataFrame, name: str) -> np.ndarray:
    values = table[name].to_numpy(float)
    return values[np.isfinite(values)]


def test_distances_of_distribution_functions_are_scipys(files):
    folder, reference, current = files
    columns = report_of("--reference", folder / "a.csv", "--current", folder / "b.csv")["by_name"]
    for name in NUMERIC:
        r, c = finite(reference, name), finite(current, name)
        scores = columns[name]["scores"]
        ks = stats.ks_2samp(r, c, method="asymp")
        assert scores["ks"]["value"] == pytest.approx(ks.statistic, rel=1e-9, abs=1e-12), name
        assert scores["ks"]["p_value"] == pytest.approx(ks.pvalue, rel=0.1, abs=1e-9), name
        area = stats.wasserstein_distance(r, c)
        assert scores["wasserstein"]["value"] == pytest.approx(area, rel=1e-9), name
        assert scores["wasserstein_normed"]["value"] == pytest.approx(area / np.std(r), rel=1e-6), name
        ranks = stats.mannwhitneyu(c, r, method="asymptotic")
        # From buckets: ties that are none among the rows cost a little.
        assert scores["rank_sum"]["p_value"] == pytest.approx(ranks.pvalue, rel=0.2, abs=1e-6), name


def test_distances_over_bins_are_scipys(files):
    folder, *_ = files
    for column in report_of("--reference", folder / "a.csv", "--current", folder / "b.csv")["columns"]:
        r = np.array([each["reference"] for each in column["bins"]])
        c = np.array([each["current"] for each in column["bins"]])
        scores = {name: score["value"] for name, score in column["scores"].items()}
        assert scores["js"] == pytest.approx(distance.jensenshannon(r, c), abs=1e-8)
        assert scores["js_bits"] == pytest.approx(distance.jensenshannon(r, c, 2), abs=1e-8)
        floored = np.maximum(r, 1e-4), np.maximum(c, 1e-4)
        assert scores["kl"] == pytest.approx(stats.entropy(*floored), abs=1e-8)
        assert scores["psi"] == pytest.approx(
            float(np.sum((floored[1] - floored[0]) * np.log(floored[1] / floored[0])))
        )
        counts = np.round(np.array([r * column["reference_rows"], c * column["rows"]]))
        counts = counts[:, counts.sum(axis=0) > 0]
        if counts.shape[1] > 1:
            table = stats.chi2_contingency(counts, correction=False)
            assert scores["chi_square"] == pytest.approx(table.statistic, rel=1e-9, abs=1e-9)
        assert scores["hellinger"] == pytest.approx(math.sqrt(max(0, 1 - np.sum(np.sqrt(r * c)))), abs=1e-7)


def test_parquet_and_csv_give_the_same_report(files):
    folder, *_ = files
    csv = report_of("--reference", folder / "a.csv", "--current", folder / "b.csv")
    parquet = report_of("--reference", folder / "a.parquet", "--current", folder / "b.parquet")
    assert csv["schema_changes"] == parquet["schema_changes"] == []
    for name, column in csv["by_name"].items():
        for metric, score in column["scores"].items():
            assert score == pytest.approx(parquet["by_name"][name]["scores"][metric]), (name, metric)
        assert column["bins"] == parquet["by_name"][name]["bins"], name


def test_a_stored_profile_stands_for_the_reference(files, tmp_path):
    folder, *_ = files
    saved = tmp_path / "baseline.profile"
    rows = report_of("--reference", folder / "a.parquet", "--current", folder / "b.parquet", "--save-profile", saved)
    again = tmp_path / "again.profile"
    assert run("--reference", folder / "a.csv", "--save-profile", again).returncode == 0
    for profile in (saved, again):
        stored = report_of("--reference", profile, "--current", folder / "b.parquet")
        assert stored["reference_rows"] == 4000
        for name, column in rows["by_name"].items():
            other = stored["by_name"][name]
            assert other["scores"]["psi"] == column["scores"]["psi"], name
            assert other["drifted"] == column["drifted"], name
            for metric in {"ks", "wasserstein"} & column["scores"].keys():
                value = other["scores"][metric]
                slack = value.get("error", 0) + 1e-6 * abs(value["value"])
                assert value["value"] == pytest.approx(column["scores"][metric]["value"], abs=slack), name
    assert saved.stat().st_size < 150_000


def test_verdict_and_exit_status(files):
    folder, *_ = files
    moved = run("--reference", folder / "a.csv", "--current", folder / "b.csv")
    assert moved.returncode == 1
    assert "DRIFT" in moved.stdout
    same = run("--reference", folder / "a.csv", "--current", folder / "a.csv")
    assert same.returncode == 0
    assert "0 of 20 columns drifted" in same.stdout
    quiet = run("--reference", folder / "a.csv", "--current", folder / "b.csv", "--fail-on", "never")
    assert quiet.returncode == 0
    one = report_of("--reference", folder / "a.csv", "--current", folder / "b.csv", "--columns", "constant,same")
    assert not one["failed"]
    assert [column["column"] for column in one["columns"]] == ["constant", "same"]
    threshold = report_of(
        "--reference", folder / "a.csv", "--current", folder / "b.csv", "--columns", "normal", "--fail-on", "threshold"
    )
    assert threshold["by_name"]["normal"]["drifted"]
    assert not threshold["failed"]


def test_too_few_rows_are_not_judged(files, tmp_path):
    folder, _, current = files
    current.head(30).to_csv(tmp_path / "few.csv", index=False)
    report = report_of("--reference", folder / "a.csv", "--current", tmp_path / "few.csv")
    assert report["columns_not_judged"] == 20
    assert not report["failed"]
    assert {column["needs_rows"] for column in report["columns"]} == {20}
    assert "needs 20 more rows" in run("--reference", folder / "a.csv", "--current", tmp_path / "few.csv").stdout


def test_a_changed_schema_is_drift(files, tmp_path):
    folder, reference, _ = files
    changed = reference.drop(columns=["normal"]).assign(added=1, ties="text")
    changed.to_csv(tmp_path / "changed.csv", index=False)
    report = report_of("--reference", folder / "a.csv", "--current", tmp_path / "changed.csv")
    changes = {change["column"]: change["change"] for change in report["schema_changes"]}
    assert changes == {"normal": "missing", "ties": "type", "added": "added"}
    assert report["failed"]
    assert report["columns_drifted"] == 0
    only_added = reference.assign(added=1)
    only_added.to_csv(tmp_path / "added.csv", index=False)
    assert run("--reference", folder / "a.csv", "--current", tmp_path / "added.csv").returncode == 0


def test_npz_arrays_are_columns(tmp_path):
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "a.npz", x=rng.normal(size=500).astype(np.float32), k=np.array(["a", "b"] * 250))
    np.savez(tmp_path / "b.npz", x=rng.normal(3, 1, 200).astype(np.float32), k=np.array(["a", "b"] * 100))
    report = report_of("--reference", tmp_path / "a.npz", "--current", tmp_path / "b.npz", "--metrics", "psi,ks")
    assert report["by_name"]["x"]["drifted"]
    assert not report["by_name"]["k"]["drifted"]
    assert set(report["by_name"]["x"]["scores"]) == {"psi", "ks"}


def test_cells_in_quotes_and_words_for_missing(tmp_path):
    rows = "".join(f'"a, ""b""",{i}\nNA,\n' for i in range(60))
    (tmp_path / "a.csv").write_text("\ufefftext,number\r\n" + rows)
    report = report_of("--reference", tmp_path / "a.csv", "--current", tmp_path / "a.csv")
    text = report["by_name"]["text"]
    assert {each["label"]: each["current"] for each in text["bins"]} == {
        "missing": 0.5,
        "unseen": 0,
        "other": 0,
        'a, "b"': 0.5,
    }
    assert report["by_name"]["number"]["missing_share"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reference", "{a}", "--current", "{a}", "--columns", "nope"], "columns: neither side has a column 'nope'"),
        (["--reference", "{a}", "--current", "{a}", "--metrics", "psj"], "metrics: expected one of psi, kl"),
        (["--reference", "{a}", "--current", "{a}", "--compat", "nannyml"], "compat: expected 'evidently'"),
        (["--reference", "{a}", "--current", "{a}", "--alpha", "2"], "alpha: expected a number between 0 and 1"),
        (["--reference", "{a}", "--current", "nowhere.txt"], "current: expected a .parquet, .csv or .npz file"),
        (["--reference", "{a}", "--current", "nowhere.csv"], "nowhere.csv"),
        (["--reference", "{a}", "--current", "nowhere.parquet"], "nowhere.parquet"),
        (["--reference", "{a}", "--current", "{ragged}"], "row 3: expected 2 cells, got 1"),
        (["--reference", "{ragged}x", "--current", "{a}"], "csvx"),
        (["--reference", "{notprofile}", "--current", "{a}"], "or a profile that --save-profile has written"),
        (["--reference", "{damaged}", "--current", "{a}"], "the profile is damaged"),
        (["--reference", "{a}"], "current: expected a table"),
        (["--current", "{a}"], "--reference"),
        ([], "endpoint"),
    ],
)
def test_bad_input_is_named_and_exits_2(files, tmp_path, arguments, message):
    folder, *_ = files
    (tmp_path / "ragged.csv").write_text("x,y\n1,2\n3\n")
    (tmp_path / "notprofile").write_text("hello")
    assert run("--reference", folder / "a.csv", "--save-profile", tmp_path / "p").returncode == 0
    (tmp_path / "damaged").write_bytes((tmp_path / "p").read_bytes()[:-9])
    names = {"a": folder / "a.csv", "ragged": tmp_path / "ragged.csv"}
    names |= {"notprofile": tmp_path / "notprofile", "damaged": tmp_path / "damaged"}
    done = run(*[argument.format(**names) for argument in arguments])
    assert done.returncode == 2, done.stdout
    assert message in done.stderr + done.stdout


def test_a_page_is_written_beside_the_table(files, tmp_path):
    folder, *_ = files
    page = tmp_path / "report.html"
    done = run("--reference", folder / "a.csv", "--current", folder / "b.csv", "--output", page)
    assert "DRIFT" in done.stdout
    html = page.read_text()
    assert html.count("<svg") == 20
    assert "http" not in html
    assert "<script" not in html
