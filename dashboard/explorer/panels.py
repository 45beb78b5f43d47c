"""The panels of the explorer: what one sets, the parallel coordinates, the pick, the importances. All without data."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from ..numbers import count, latency, loss, mebibytes, significant
from .explored import EXPLORED
from .importance import sentence
from .reading import Sample
from .sample import SampledImportances
from .view import ExplorerView

TEXTS = {"loss": loss, "latency": latency, "count": count, "bytes": mebibytes}
MOST_SENTENCES = 3
PICKS = {"": "None", "knee": "The knee", "cheapest": "The cheapest within %", "under": "The best under a limit"}


def controls(view: ExplorerView) -> Component:
    """Axes, scales, colour, which evaluations, and another job's front."""
    axes = [{"value": name, "label": one.label} for name, one in EXPLORED.items()]
    scales = {"linear": "Linear", "log": "Log"}
    return html.Div(
        [
            _select("explorer-x", "x axis", axes, view.x),
            _switch("explorer-xscale", "x scale", view.xscale, scales),
            _select("explorer-y", "y axis", axes, view.y),
            _switch("explorer-yscale", "y scale", view.yscale, scales),
            _select("explorer-colour", "Colour", [{"value": "", "label": "One colour"}, *axes], view.colour),
            _switch(
                "explorer-fidelity",
                "Weights",
                view.fidelity,
                {"both": "Both", "inherited": "Inherited", "finetuned": "Fine-tuned"},
            ),
            _switch("explorer-feasible", "Show", view.feasible, {"yes": "Complete only", "no": "Infeasible too"}),
            dmc.Select(
                id="explorer-over",
                label="Lay over the front of",
                data=[{"value": view.over, "label": view.over}] if view.over else [],
                value=view.over or None,
                placeholder="None",
                clearable=True,
                clearButtonProps={"aria-label": "No other job"},
                searchable=True,
                size="sm",
            ),
        ],
        className="controls",
    )


def _select(select_id: str, label: str, data: list[dict[str, str]], value: str) -> Component:
    return dmc.Select(id=select_id, label=label, data=data, value=value, allowDeselect=False, size="sm")


def _switch(switch_id: str, label: str, value: str, words: dict[str, str]) -> Component:
    data = [{"value": key, "label": word} for key, word in words.items()]
    control = dmc.SegmentedControl(id=switch_id, data=data, value=value, size="sm", **{"aria-label": label})
    return html.Div([html.Span(label, className="control-label"), control])


def button(button_id: str, words: str, **more: Any) -> Component:
    return dmc.Button(words, id=button_id, size="compact-sm", variant="default", **more)


def time_control() -> Component:
    """The slider of the front's past. The browser puts it in, as it knows how many evaluations there are."""
    buttons = [button("explorer-clear-brush", "Clear selection"), button("explorer-unzoom", "Show all")]
    return html.Div(
        [html.Div(id="explorer-time", className="explorer-time"), html.Div(buttons, className="explorer-buttons")],
        className="explorer-below",
    )


def limits_panel() -> Component:
    """Upper limits on each quantity; the browser puts the sliders in, as it knows which quantities have values."""
    return html.Section(
        [
            html.H2("Limits"),
            html.P(
                "What is above a limit, or has no value where one is set, is left out everywhere.", className="quiet"
            ),
            html.Div(id="explorer-limits"),
            button("explorer-clear-limits", "Clear limits"),
        ],
        className="panel explorer-limits",
    )


def pick_panel(view: ExplorerView) -> Component:
    """Pick for me: a rule, its number, and the answer with its reason."""
    rule, _, number = view.pick.partition(":")
    return html.Section(
        [
            html.H2("Pick for me"),
            html.P("One of the front as drawn above, limits included, judged by the two axes.", className="quiet"),
            html.Div(
                [
                    _select(
                        "explorer-pick", "Rule", [{"value": key, "label": word} for key, word in PICKS.items()], rule
                    ),
                    dmc.NumberInput(
                        id="explorer-pick-number",
                        label="Percent, or the limit",
                        value=float(number) if number else None,
                        min=0,
                        max=999_999_999,
                        decimalScale=6,
                        size="sm",
                        placeholder="2",
                    ),
                ],
                className="controls",
            ),
            html.P(id="explorer-pick-reason", role="status"),
            html.Span(dcc.Link("", id="explorer-pick-link", href=""), id="explorer-pick-place", hidden=True),
        ],
        className="panel",
    )


def parallel_panel() -> Component:
    """Parallel coordinates over the choices, empty until a sample was read."""
    return html.Section(
        [
            html.H2("Choices"),
            html.P(
                "Reading the architectures of a sample …", id="explorer-parallel-note", className="quiet", role="status"
            ),
            html.Div(
                [
                    dmc.MultiSelect(
                        id="explorer-shown",
                        label="Choices that have an axis",
                        data=[],
                        value=[],
                        searchable=True,
                        clearable=True,
                        clearButtonProps={"aria-label": "No axis"},
                        size="sm",
                        className="explorer-shown",
                    ),
                    html.Div(button("explorer-clear-ranges", "Clear ranges"), className="explorer-buttons"),
                ],
                className="explorer-below",
            ),
            html.Div(
                html.Div(id="explorer-parallel"),
                className="explorer-parallel",
                role="group",
                **{"aria-label": "Parallel coordinates of the choices; the table above lists the same architectures"},
            ),
            html.P(
                "Draw along an axis to keep what lies there; the figure and the table follow. Choices that all of the "
                "sample made alike are left out.",
                className="quiet",
            ),
        ],
        className="panel",
    )


def sample_words(sample: Sample, found: SampledImportances) -> tuple[str, Component]:
    """What the importance figure shows, in words: a note, and a list of sentences per objective."""
    if sample.choices is None:
        return f"The choices of this job can't be read: {sample.problem}", html.Div()
    if not found.by_objective:
        return "Too few complete evaluations to tell: it takes 20 of different choices.", html.Div()
    names = sample.rows["digest"].nunique()
    note = (
        f"From {count(names)} architectures, the front among them. Each choice by itself, among those that have it and "
        "over what the search came to look at: choices that go together share their effect, so take it as a hint where "
        "to look. layers.X counts the layers whose mixer is X."
    )
    sentences = [
        html.Li(sentence(one, EXPLORED[name].label.lower(), TEXTS.get(EXPLORED[name].kind, significant)))
        for name, listed in found.by_objective.items()
        for one in listed[:MOST_SENTENCES]
    ]
    return note, html.Ul(sentences)
