"""The figures as plain functions over frames of a real ledger."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from frontier.dashboard.breakdown_figure import breakdown_figure, colour, families
from frontier.dashboard.curve_figure import curve_figure
from frontier.dashboard.pareto_figure import caption, pareto_figure
from frontier.dashboard.reader import Reader
from frontier.dashboard.readings.architecture import read_architecture
from frontier.dashboard.readings.job import JobReading, read_job
from frontier.dashboard.theme import FAMILY_COLOURS, GREY, templates
from frontier.dashboard.view import View

from .conftest import CONFIG, FINALISTS, JOB

OBJECTIVES = ("val_loss", "latency_ms")


@pytest.fixture(scope="module")
def reading(ledger_path: str) -> JobReading:
    return read_job(Reader(ledger_path), JOB, "inherited")


def trace(figure: object, name: str) -> object:
    return next(trace for trace in figure.data if trace.name == name)


def test_every_complete_evaluation_is_drawn_once(reading: JobReading) -> None:
    figure = pareto_figure(reading.evaluations, reading.front, OBJECTIVES, View(), "nats per byte")
    drawn = [digest for name in ("evaluated", "front") for digest in trace(figure, name).customdata]
    rows = reading.evaluations
    complete = rows[(rows["state"] == "complete") & (rows["fidelity"] == "inherited")]
    assert sorted(drawn) == sorted(complete["digest"])
    assert list(trace(figure, "front").customdata) == list(reading.front["digest"])
    np.testing.assert_allclose(trace(figure, "front").y, reading.front["val_loss"], rtol=1e-6)
    np.testing.assert_allclose(trace(figure, "front").x, reading.front["latency_ms"], rtol=1e-6)


def test_the_front_carries_the_interval_of_its_prediction(reading: JobReading) -> None:
    figure = pareto_figure(reading.evaluations, reading.front, OBJECTIVES, View(), "nats per byte")
    bars = trace(figure, "front").error_x
    front = reading.front
    np.testing.assert_allclose(bars.array, front["latency_high_ms"] - front["latency_ms"], rtol=1e-4)
    np.testing.assert_allclose(bars.arrayminus, front["latency_ms"] - front["latency_low_ms"], rtol=1e-4)


def test_finalists_stand_at_their_measured_latency_with_another_symbol(reading: JobReading) -> None:
    figure = pareto_figure(reading.evaluations, reading.front, OBJECTIVES, View(), "nats per byte")
    finalists = trace(figure, "finalists, fine-tuned and measured")
    tuned = reading.evaluations[reading.evaluations["fidelity"] == "finetuned"].set_index("digest")
    assert len(finalists.x) == len(tuned) == FINALISTS
    measured = [tuned.loc[digest, "latency_measured_ms"] for digest in finalists.customdata]
    np.testing.assert_allclose(finalists.x, measured, rtol=1e-6)
    assert finalists.marker.symbol != trace(figure, "front").marker.symbol


def test_the_front_of_the_finalists_has_no_interval_as_it_was_measured(ledger_path: str) -> None:
    reading = read_job(Reader(ledger_path), JOB, "finetuned")
    figure = pareto_figure(reading.evaluations, reading.front, OBJECTIVES, View(front="finetuned"), "nats per byte")
    front = trace(figure, "front of the finalists")
    assert list(front.customdata) == list(reading.front["digest"])
    assert not np.any(front.error_x.array)


def test_the_line_is_drawn_over_the_objectives_only(reading: JobReading) -> None:
    def names(view: View, objectives: tuple[str, ...] = OBJECTIVES) -> list[str]:
        figure = pareto_figure(reading.evaluations, reading.front, objectives, view, "nats per byte")
        return [trace.name for trace in figure.data]

    assert "front line" in names(View())
    assert "front line" in names(View(x="val_loss", y="latency_ms"))
    assert "front line" not in names(View(x="param_count"))
    assert "front line" not in names(View(), (*OBJECTIVES, "param_count"))


def test_axes_say_what_they_are_in_which_unit(reading: JobReading) -> None:
    figure = pareto_figure(reading.evaluations, reading.front, OBJECTIVES, View(scale="log"), "nats per byte")
    assert figure.layout.xaxis.title.text == "latency (ms), predicted"
    assert figure.layout.yaxis.title.text == "validation loss (nats per byte)"
    assert figure.layout.xaxis.type == "log"
    memory = pareto_figure(reading.evaluations, reading.front, OBJECTIVES, View(x="peak_memory_bytes"), "nats")
    assert memory.layout.xaxis.title.text == "peak memory (MiB)"
    np.testing.assert_allclose(trace(memory, "front").x, sorted(reading.front["peak_memory_bytes"] / 2**20), rtol=1e-6)


def test_zoom_survives_a_refresh_and_not_a_change_of_axes(reading: JobReading) -> None:
    def revision(view: View, rows: pd.DataFrame) -> str:
        return pareto_figure(rows, reading.front, OBJECTIVES, view, "nats").layout.uirevision

    assert revision(View(), reading.evaluations) == revision(View(), reading.evaluations.head(63))
    assert revision(View(), reading.evaluations) != revision(View(x="param_count"), reading.evaluations)


@pytest.mark.parametrize("fidelity", ["inherited", "finetuned"])
def test_no_evaluation_at_all_is_said_in_words(reading: JobReading, fidelity: str) -> None:
    figure = pareto_figure(reading.evaluations.head(0), reading.front.head(0), OBJECTIVES, View(front=fidelity), "nats")
    assert figure.layout.annotations[0].text == "No complete evaluation yet"


def test_an_unknown_number_has_no_point(reading: JobReading) -> None:
    rows = reading.evaluations.copy()
    rows.loc[rows["digest"] == rows["digest"].iloc[0], "param_count"] = pd.NA
    front = rows[rows["on_front"] & (rows["fidelity"] == "inherited")]
    figure = pareto_figure(rows, front, OBJECTIVES, View(x="param_count"), "nats")
    assert rows["digest"].iloc[0] not in {digest for trace in figure.data for digest in trace.customdata or ()}


def test_curve_has_both_subnets_and_the_prior_level(reading: JobReading) -> None:
    figure = curve_figure(reading.curve, 3.1234, "nats per byte")
    assert [trace.name for trace in figure.data] == ["smallest subnet", "largest subnet", "prior level, 3.1234"]
    largest = reading.curve[reading.curve["subnet"] == "largest"]
    np.testing.assert_allclose(trace(figure, "largest subnet").y, largest["loss_nats"])
    level = figure.data[2]
    assert level.line.dash == "dash"
    assert list(level.y) == [3.1234, 3.1234]


def test_curve_without_a_step_says_so(reading: JobReading) -> None:
    figure = curve_figure(reading.curve.head(0), None, "nats")
    assert figure.layout.annotations[0].text == "No training step yet"


def test_breakdown_bars_add_up_to_the_phase(ledger_path: str, reading: JobReading) -> None:
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
