"""The figures as plain functions over frames of a real ledger."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from frontier.dashboard.architecture.breakdown_figure import breakdown_figure, colour, families
from frontier.dashboard.architecture.reading import read_architecture
from frontier.dashboard.caption import caption
from frontier.dashboard.job.curve_figure import curve_figure, curve_words
from frontier.dashboard.reader import Reader
from frontier.dashboard.theme import FAMILY_COLOURS, GREY, templates
from frontier.db import open_ledger

from .conftest import CONFIG, JOB


class Read(NamedTuple):
    """What the figures of a job are drawn from."""

    evaluations: pd.DataFrame
    front: pd.DataFrame
    curve: pd.DataFrame


def read(ledger_path: str, fidelity: str) -> Read:
    with open_ledger(ledger_path, read_only=True) as ledger:
        return Read(ledger.evaluations(JOB), ledger.front(JOB, fidelity), ledger.curve(JOB))


@pytest.fixture(scope="module")
def reading(ledger_path: str) -> Read:
    return read(ledger_path, "inherited")


def trace(figure: object, name: str) -> object:
    return next(trace for trace in figure.data if trace.name == name)


def test_curve_has_both_subnets_and_the_prior_level(reading: Read) -> None:
    figure = curve_figure(reading.curve, 3.1234, "nats per byte")
    assert [trace.name for trace in figure.data] == ["smallest subnet", "largest subnet", "prior level, 3.1234"]
    largest = reading.curve[reading.curve["subnet"] == "largest"]
    np.testing.assert_allclose(trace(figure, "largest subnet").y, largest["loss_nats"])
    level = figure.data[2]
    assert level.line.dash == "dash"
    assert list(level.y) == [3.1234, 3.1234]


def test_curve_over_time_and_in_words(reading: Read) -> None:
    figure = curve_figure(reading.curve, 3.1234, "nats per byte", "time")
    largest = reading.curve[reading.curve["subnet"] == "largest"]
    np.testing.assert_allclose(trace(figure, "largest subnet").x, largest["seconds"])
    assert figure.layout.xaxis.title.text == "time since training began (s)"
    words = curve_words(reading.curve, 3.1234, "nats per byte")
    assert f"largest subnet {largest['loss_nats'].iloc[-1]:.4f}" in words
    assert "After 600 steps" in words
    assert "the prior level is 3.1234" in words


def test_curve_without_a_step_says_so(reading: Read) -> None:
    figure = curve_figure(reading.curve.head(0), None, "nats")
    assert figure.layout.annotations[0].text == "No training step yet"


def test_breakdown_bars_add_up_to_the_phase(ledger_path: str, reading: Read) -> None:
    digest = reading.front["digest"].iloc[-1]
    breakdown = read_architecture(Reader(ledger_path), JOB, digest).breakdown
    for _, rows in breakdown.groupby("phase"):
        figure = breakdown_figure(rows, families(breakdown))
        assert sum(np.sum(bar.x) for bar in figure.data) == pytest.approx(rows["latency_ms"].sum())
        assert list(figure.data[0].y) == list(dict.fromkeys(rows["layer"]))
        hatched = {bar.name for bar in figure.data if bar.marker.pattern.shape == "/"}
        assert hatched == set(rows.loc[~rows["measured"], "family"])


def test_names_in_a_breakdown_are_no_markup() -> None:
    rows = pd.DataFrame(
        [["<b>x</b>", "op", "<i>y</i>", 1, 1.0, True]],
        columns=["layer", "op", "family", "calls", "latency_ms", "measured"],
    )
    bar = breakdown_figure(rows, families(rows)).data[0]
    assert (bar.y[0], bar.name) == ("&lt;b&gt;x&lt;/b&gt;", "&lt;i&gt;y&lt;/i&gt;")


def test_a_family_has_one_colour_and_time_between_kernels_is_grey() -> None:
    every = ("attention", "launch gaps", "matmul", "norm")
    assert [colour(family, every) for family in every] == [FAMILY_COLOURS[0], GREY, *FAMILY_COLOURS[1:3]]


def test_templates_differ_in_ink_only() -> None:
    light, dark = templates()["light"]["layout"], templates()["dark"]["layout"]
    assert light.keys() == dark.keys()
    assert light["font"]["color"] != dark["font"]["color"]
    assert light["paper_bgcolor"] == dark["paper_bgcolor"] == "rgba(0,0,0,0)"


def test_caption_names_what_was_timed() -> None:
    assert caption(CONFIG) == "decode, batch 1, 256 tokens, on laptop (2 threads)"
    assert caption({**CONFIG, "task": {"kind": "image_classification"}}) == "decode, batch 1, on laptop (2 threads)"
    assert caption({}) == ""
