"""Layouts, words and numbers as plain functions."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dash.development.base_component import Component

from frontier.dashboard import numbers
from frontier.dashboard.access import Access
from frontier.dashboard.diagram import DRAWN, diagram, runs
from frontier.dashboard.job_header import header, limits, validation
from frontier.dashboard.pages import architecture, job, jobs
from frontier.dashboard.reader import NotThere, Reader, Unreadable
from frontier.dashboard.readings.architecture import read_architecture
from frontier.dashboard.readings.job import read_job
from frontier.dashboard.routes import page
from frontier.dashboard.site import Site
from frontier.dashboard.view import View, read_view
from frontier.db import open_ledger
from frontier.errors import InputError
from frontier.search_space import (
    CHANNEL_MIXERS,
    TOKEN_MIXERS,
    Architecture,
    Attention,
    Block,
    CausalConv,
    MoHD,
    Nothing,
    Pooling,
    Stage,
    SwiGLU,
)

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


@pytest.mark.parametrize("view", [View(), View(x="param_count", scale="log", front="finetuned")])
def test_a_view_is_read_back_from_its_address(view: View) -> None:
    assert View.parse(view.search) == view


@pytest.mark.parametrize("search", ["?x=banana", "?sort=up", "?x="])
def test_a_wrong_address_is_refused_in_one_line_and_shows_the_default(search: str) -> None:
    with pytest.raises(InputError, match=r"^address: "):
        View.parse(search)
    view, problem = read_view(search)
    assert view == View()
    assert problem
    assert "\n" not in problem


def test_jobs_rows_hold_what_the_ledger_holds(reader: Reader) -> None:
    listed = jobs.read_jobs(reader)
    rows = jobs.rows(listed)
    assert [row["name"] for row in rows] == [HOSTILE_NAME, "stdlib-bytes"]
    assert rows[1]["best_val_loss"] == listed["best_val_loss"].iloc[1]
    assert rows[0]["best_val_loss_text"] == "–"
    json.dumps(rows, allow_nan=False)


def test_front_rows_hold_both_fidelities_in_the_order_of_the_front(reader: Reader) -> None:
    reading = read_job(reader, JOB, "inherited")
    rows = job.front_rows(JOB, reading.front, reading.evaluations)
    assert [row["digest"] for row in rows] == reading.front["digest"].tolist()
    assert [row["val_loss"] for row in rows] == reading.front["val_loss"].tolist()
    tuned = {row["digest"] for row in rows if row["tuned_loss"] is not None}
    assert tuned == {row["digest"] for row in rows if row["latency_measured_ms"] is not None} != set()
    assert {row["tuned_loss_text"] for row in rows if row["digest"] not in tuned} == {"–"}
    json.dumps(rows, allow_nan=False)


def test_the_job_page_says_what_it_found(reader: Reader) -> None:
    words = text(job.layout(read_job(reader, JOB, "inherited"), View()))
    for fact in ("5.3\u00a0×\u00a010¹² architectures", "3.1234 nats per byte", "5.5452 nats per byte", "6.2\u00a0%"):
        assert fact in words
    assert "decode, batch 1, 256 tokens, on laptop (2 threads)" in words


def test_a_job_that_has_not_begun_has_a_page(reader: Reader) -> None:
    words = text(job.layout(read_job(reader, HOSTILE, "inherited"), View()))
    assert "Queued, not begun yet" in words
    assert HOSTILE_NAME in words
    assert "not validated on this device" in words


def test_polling_stops_with_the_job(reader: Reader) -> None:
    def clock(job_id: str) -> bool:
        layout = job.layout(read_job(reader, job_id, "inherited"), View())
        return next(part for part in layout.children if getattr(part, "id", "") == "job-clock").disabled

    assert clock(JOB) is True
    assert clock(HOSTILE) is False


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


def test_the_architecture_page_of_a_finalist(reader: Reader) -> None:
    digest = read_job(reader, JOB, "finetuned").front["digest"].iloc[0]
    found = read_architecture(reader, JOB, digest)
    words = text(architecture.layout(found))
    assert f"{found.inherited.val_loss:.4f} nats per byte" in words
    assert f"{found.finetuned.val_loss:.4f} nats per byte" in words
    assert f"{numbers.latency(found.finetuned.latency_measured_ms)} ms" in words
    assert "off by 6.2\u00a0% on average" in words
    assert "Decode" in words
    assert "Prefill" in words
    assert str(found.finetuned.weights_path) in words


def test_an_architecture_without_a_breakdown_says_so(reader: Reader) -> None:
    rows = read_job(reader, JOB, "inherited").evaluations
    digest = rows.loc[rows["state"] == "infeasible", "digest"].iloc[0]
    words = text(architecture.layout(read_architecture(reader, JOB, digest)))
    assert "holds no breakdown" in words
    assert "infeasible: latency_ms above 6.0" in words
    assert "not measured" in words


def test_kernel_rows_add_up(reader: Reader) -> None:
    digest = read_job(reader, JOB, "inherited").front["digest"].iloc[0]
    found = read_architecture(reader, JOB, digest)
    rows = [row for row in architecture.kernel_rows(found.breakdown) if row["phase"] == "decode"]
    assert sum(row["latency_ms"] for row in rows) == pytest.approx(found.inherited.latency_ms)
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert {row["source"] for row in rows} == {"measured", "fitted"}


def test_the_export_command_is_quoted() -> None:
    assert architecture.export_command("j 1", "ab12") == (
        "frontier export 'j 1' ab12 --format pytorch --out exports/ab12"
    )


def test_equal_consecutive_blocks_are_folded() -> None:
    conv = Block(token_mixer=CausalConv(channels=63, kernel_size=3), channel_mixer=SwiGLU(inner=64))
    heads = Attention(num_heads=3, num_kv_heads=1, head_dim=32, window=16)
    attention = Block(token_mixer=heads, channel_mixer=SwiGLU(inner=64))
    blocks = (conv, conv, attention, conv)
    assert [(run.first, run.length) for run in runs(blocks)] == [(0, 2), (2, 1), (3, 1)]
    words = text(diagram(Architecture(width=48, blocks=blocks)))
    assert "blocks 0–1 ×2" in words
    assert "3 heads × 32, 1 key/value head, window 16" in words
    assert "63 channels, kernel 3" in words


def test_a_pyramid_is_drawn_in_stages_without_the_halves_that_are_left_out() -> None:
    pooled = Block(token_mixer=Pooling(window=3), channel_mixer=SwiGLU(inner=64))
    alone = Block(token_mixer=Nothing(), channel_mixer=SwiGLU(inner=32))
    stages = (Stage(width=16, depth=1), Stage(width=24, depth=2))
    words = text(diagram(Architecture(width=16, blocks=(pooled, alone, alone), stages=stages, residual="ladder")))
    for said in ("Stem", "Half the resolution", "width 24", "blocks 1–2 ×2", "widths 16, 24", "before the mixer above"):
        assert said in words
    assert "left out" not in words


def test_a_mixture_of_hidden_dimensions_is_told() -> None:
    block = Block(token_mixer=Pooling(window=3), channel_mixer=SwiGLU(inner=64))
    hidden = MoHD(group_size=8, shared=2, routed=1)
    words = text(diagram(Architecture(width=48, blocks=(block,), hidden=hidden)))
    assert "6 groups of 8 columns: a mixer reads and writes the first 2 and 1 that a router picks" in words


def test_every_operator_of_the_table_can_be_drawn() -> None:
    assert set(DRAWN) == {*TOKEN_MIXERS.values(), *CHANNEL_MIXERS.values()}


def test_what_is_not_there_and_what_cannot_be_read(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(NotThere):
        read_job(reader, "nope", "inherited")
    with pytest.raises(NotThere):
        read_architecture(reader, JOB, "zzzz")
    with pytest.raises(Unreadable, match="must exist"):
        jobs.read_jobs(Reader(str(tmp_path / "none.db")))
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"not a database " * 100)
    with pytest.raises(Unreadable):
        jobs.read_jobs(Reader(str(damaged)))


def test_a_driver_that_fails_half_way_is_a_ledger_that_cannot_be_read(tmp_path: Path) -> None:
    path = str(tmp_path / "frontier.db")
    with open_ledger(path) as ledger:
        ledger.create_job(job_id="j", name="j", config={}, space={}, run_dir="r", objectives=["val_loss"])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE events")
    with pytest.raises(Unreadable, match="no such table: events") as refused:
        read_job(Reader(path), "j", "inherited")
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
