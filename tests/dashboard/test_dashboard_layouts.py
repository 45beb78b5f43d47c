"""Layouts, words and numbers as plain functions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dash.development.base_component import Component

from frontier.dashboard import numbers
from frontier.dashboard.access.access import Access
from frontier.dashboard.architecture.reading import read_architecture
from frontier.dashboard.job.header import header, limits, validation
from frontier.dashboard.job.reading import read_job
from frontier.dashboard.jobs.reading import read_overviews
from frontier.dashboard.reader import NotThere, Reader, Unreadable
from frontier.dashboard.routes import page
from frontier.dashboard.site import Site
from frontier.db import open_ledger

from .conftest import HOSTILE, HOSTILE_NAME, JOB


def text(component: object) -> str:
    """The words of a component and all that is in it."""
    if isinstance(component, (list, tuple)):
        return " ".join(text(part) for part in component)
    if isinstance(component, Component):
        return text(getattr(component, "children", None))
    return "" if component is None else str(component)


@pytest.fixture(scope="module")
def reader(ledger_path: str) -> Reader:
    return Reader(ledger_path)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.significant(0.012345), "0.0123"),
        (numbers.significant(1234.6), "1235"),
        (numbers.significant(0.9996), "1.000"),
        (numbers.significant(0), "0"),
        (numbers.significant(None), "–"),
        (numbers.loss(np.nan), "–"),
        (numbers.loss(1.23456), "1.2346"),
        (numbers.interval(0.943, 0.877, 1.0281), "0.943 [0.877, 1.028]"),
        (numbers.interval(12.34, None, 13.0), "12.3"),
        (numbers.interval(None, 1.0, 2.0), "–"),
        (numbers.count(pd.NA), "–"),
        (numbers.count(49152), "49\u202f152"),
        (numbers.count(1_234_567), "1.23\u00a0M"),
        (numbers.mebibytes(2**21), "2.00\u00a0MiB"),
        (numbers.percent(0.0621), "6.2\u00a0%"),
        (numbers.seconds(0.0521), "0.052\u00a0s"),
        (numbers.seconds(412), "6\u00a0min\u00a052\u00a0s"),
        (numbers.seconds(7500), "2\u00a0h\u00a005\u00a0min"),
        (numbers.space_size("5388416204800"), "5.4\u00a0×\u00a010¹²"),
        (numbers.space_size("1000"), "1\u202f000"),
        (numbers.moment(None), "–"),
    ],
)
def test_numbers_read(written: str, expected: str) -> None:
    assert written == expected


def test_a_failed_job_says_why(tmp_path: Path) -> None:
    path = str(tmp_path / "frontier.db")
    with open_ledger(path) as ledger:
        ledger.create_job(job_id="f", name="f", config={}, space={}, run_dir="r", objectives=["val_loss"])
        ledger.set_progress("f", "train", 3, 10)
        ledger.set_state("f", "failed", error="train: loss was not a number at step 3")
        words = text(header(ledger.job("f")))
    assert "loss was not a number at step 3" in words
    assert "Stage 2 of 4, training the supernet: 3 of 10 steps" in words


def test_validation_and_limits_in_words() -> None:
    assert validation(None) == "not validated on this device"
    assert validation({"mape": 0.05}) == "off by 5.0\u00a0% on average"
    assert limits({"latency_ms": {"max": 6}, "param_count": {"max": 2_000_000}}) == (
        "Latency ≤ 6.00 ms, Parameters ≤ 2.00\u00a0M"
    )


def test_what_is_not_there_and_what_cannot_be_read(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(NotThere):
        read_job(reader, "nope")
    with pytest.raises(NotThere):
        read_architecture(reader, JOB, "zzzz")
    with pytest.raises(Unreadable, match="must exist"):
        read_overviews(Reader(str(tmp_path / "none.db")))
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"not a database " * 100)
    with pytest.raises(Unreadable):
        read_overviews(Reader(str(damaged)))


def test_a_driver_that_fails_half_way_is_a_ledger_that_cannot_be_read(tmp_path: Path) -> None:
    path = str(tmp_path / "frontier.db")
    with open_ledger(path) as ledger:
        ledger.create_job(job_id="j", name="j", config={}, space={}, run_dir="r", objectives=["val_loss"])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE events")
    with pytest.raises(Unreadable, match="no such table: events") as refused:
        read_job(Reader(path), "j")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/", "Jobs"),
        (f"/job/{JOB}", "stdlib-bytes"),
        (f"/job/{JOB}/", "stdlib-bytes"),
        (f"/job/{HOSTILE}", HOSTILE_NAME),
        ("/job/nope", "Not found"),
        (f"/job/{JOB}/architecture/zzzz", "Not found"),
        ("/elsewhere", "Not found"),
        (None, "Jobs"),
    ],
)
def test_every_address_has_a_page(reader: Reader, path: str | None, title: str) -> None:
    assert page(path, "", Site(reader, Access())).title == title


def test_a_ledger_that_is_not_there_has_a_page_that_tries_again(tmp_path: Path) -> None:
    drawn = page("/", "", Site(Reader(str(tmp_path / "none.db")), Access()))
    assert drawn.retry
    assert "tries again" in text(drawn.content)


def test_an_empty_ledger_says_how_to_start(tmp_path: Path) -> None:
    path = str(tmp_path / "frontier.db")
    open_ledger(path).close()
    assert "frontier search job.yaml" in text(page("/", "", Site(Reader(path), Access())).content)
