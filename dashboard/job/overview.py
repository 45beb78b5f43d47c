"""The overview of a job: its parts, each drawn by itself, so that only those that changed are sent again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from dash import Output, html
from dash.development.base_component import Component

from ..charts import chart, figure_id, plain
from ..jobs.actions import buttons, commands
from ..jobs.waiting import nobody_runs, shown_database
from ..numbers import loss_unit
from .curve_figure import curve_figure, curve_words
from .header import facts, header
from .hypervolume_figure import hypervolume_figure, hypervolume_unit, hypervolume_words
from .pace import rates, remaining_seconds
from .panels import counts_list, event_list, log_lines, nodes_table, quality_table, reasons_table, workers_table
from .reading import JobReading
from .throughput_figure import throughput_figure, throughput_words

OVER = ("done", "failed")


@dataclass(frozen=True)
class Shown:
    """A reading and how it is shown: its figures over "evaluations" or "time", to who may change things or may not.

    `given` is how the database was named.
    """

    reading: JobReading
    over: str
    given: str
    may_change: bool

    @property
    def database(self) -> str:
        return shown_database(self.given, self.reading.database)

    @property
    def unit(self) -> str:
        return loss_unit(self.reading.job.config)

    @property
    def volume_unit(self) -> str:
        return hypervolume_unit(self.reading.job.objectives, self.unit)

    @property
    def rates(self) -> pd.DataFrame:
        spread = self.reading.spread
        return rates(spread[spread["fidelity"] == "inherited"])


def _header(shown: Shown) -> list[Component]:
    read = shown.reading
    return header(read.job, remaining_seconds(read.job, read.spread, read.newest, read.curve))


def _actions(shown: Shown) -> Component:
    """Buttons for who may use them, else the commands that do the same."""
    job = shown.reading.job
    if shown.may_change:
        return buttons("job", job)
    lines = commands(job, shown.database).values()
    told = [html.Pre(html.Code(line), tabIndex=0) for line in lines]
    return html.Details([html.Summary("From the command line"), *told], className="job-commands", hidden=not told)


def _counts(shown: Shown) -> Component:
    return counts_list(shown.reading.counts, shown.reading.standing, shown.unit)


def _waiting(shown: Shown) -> Component | None:
    return nobody_runs(int(shown.reading.job.state == "queued"), shown.reading.controllers, shown.database)


def _hypervolume(shown: Shown) -> go.Figure:
    read = shown.reading
    return hypervolume_figure(read.hypervolume, read.standing.evaluations, shown.over, shown.volume_unit)


def _hypervolume_words(shown: Shown) -> str:
    read = shown.reading
    return hypervolume_words(read.hypervolume, read.standing.evaluations, shown.volume_unit)


def _curve(shown: Shown) -> go.Figure:
    job = shown.reading.job
    return curve_figure(shown.reading.curve, job.facts.get("prior_nats"), shown.unit, shown.over)


def _curve_words(shown: Shown) -> str:
    return curve_words(shown.reading.curve, shown.reading.job.facts.get("prior_nats"), shown.unit)


@dataclass(frozen=True)
class Place:
    """A place on the page: the part whose version says when it changes, its id, and what draws it.

    With a `label` it is a figure, and the label is what a screen reader says instead of it.
    """

    part: str
    name: str
    draw: Callable[[Shown], Any]
    label: str = ""

    @property
    def output(self) -> Output:
        return Output(figure_id(self.name), "data") if self.label else Output(self.name, "children")

    def value(self, shown: Shown) -> Any:
        """What a callback puts there."""
        return plain(self.draw(shown)) if self.label else self.draw(shown)

    def component(self, shown: Shown) -> Component:
        """The place with what is drawn in it."""
        if self.label:
            return chart(self.name, self.draw(shown), self.label)
        drawn = self.draw(shown)
        return html.Div(drawn, id=self.name, className="quiet" if isinstance(drawn, str) else None)


PLACES = (
    Place("job", "job-header", _header),
    Place("job", "job-waiting", _waiting),
    Place("job", "job-actions", _actions),
    Place("job", "job-facts", lambda shown: facts(shown.reading.job)),
    Place("evaluations", "job-counts", _counts),
    Place("evaluations", "job-hypervolume-words", _hypervolume_words),
    Place("evaluations", "job-hypervolume", _hypervolume, "Hypervolume of the front; the line above says the same"),
    Place("evaluations", "job-throughput-words", lambda shown: throughput_words(shown.rates)),
    Place(
        "evaluations",
        "job-throughput",
        lambda shown: throughput_figure(shown.rates, shown.over),
        "Evaluations per second; the line above says the same",
    ),
    Place("evaluations", "job-workers", lambda shown: workers_table(shown.reading.workers)),
    Place("evaluations", "job-reasons", lambda shown: reasons_table(shown.reading.reasons)),
    Place("curve", "job-curve-words", _curve_words),
    Place("curve", "job-curve", _curve, "Loss over training; the line above says the same"),
    Place("predictor", "job-quality", lambda shown: quality_table(shown.reading.qualities)),
    Place("nodes", "job-nodes", lambda shown: nodes_table(shown.reading.nodes, datetime.now(UTC))),
    Place("events", "job-events", lambda shown: event_list(shown.reading.events)),
    Place("log", "job-log", lambda shown: log_lines(shown.reading.log)),
)
# Parts with figures that are drawn over steps and evaluations or over time.
OVER_TIME = frozenset({"evaluations", "curve"})
PANELS: Mapping[str, tuple[str, ...]] = {
    "Hypervolume": ("job-hypervolume-words", "job-hypervolume"),
    "Evaluations": ("job-throughput-words", "job-throughput", "job-workers"),
    "What did not complete": ("job-reasons",),
    "Supernet training": ("job-curve-words", "job-curve"),
    "Quality predictor": ("job-quality",),
    "Machines": ("job-nodes",),
    "Events (UTC)": ("job-events",),
    "Log": ("job-log",),
}


def places(shown: Shown) -> dict[str, Component]:
    """Every place of the page, drawn, by its id."""
    return {place.name: place.component(shown) for place in PLACES}


def panels(drawn: Mapping[str, Component]) -> list[Component]:
    """The places under their headings."""
    return [
        html.Section([html.H2(heading), *(drawn[name] for name in names)], className="panel")
        for heading, names in PANELS.items()
    ]
