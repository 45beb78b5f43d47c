"""The Pareto explorer of a job: any objectives as axes, limits, brushes, past fronts, a table, choices, a pick."""

from __future__ import annotations

import re
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from ...db import Job
from .. import messages
from ..caption import caption
from ..charts import chart, figure_id, plain
from ..job.header import state_word
from ..job.tabs import tabs
from ..numbers import loss_unit
from ..page import Page
from ..reader import NotThere, Unreadable
from ..site import Site
from ..theme import FINALIST, FRONT, MUTED, OCHRE
from .explored import EXPLORED
from .importance_figure import importance_figure
from .panels import controls, limits_panel, parallel_panel, pick_panel, sample_words, time_control
from .pareto_figure import COLOUR_SCALE, pareto_figure
from .reading import read_explored_job, read_others, read_sample
from .routes import register_points
from .sample import drawable, sampled_importances
from .table import table_panel
from .view import ExplorerView, read_explorer_view

ROUTE = re.compile(r"/job/(?P<job>[^/]+)/explorer/?")
POLL_MS = 2000


def open_page(site: Site, names: dict[str, str], search: str | None) -> Page:
    """The explorer of the job that the address names."""
    view, problem = read_explorer_view(search)
    job = read_explored_job(site.reader, names["job"])
    return Page(f"Explorer of {job.name}", layout(job, view, problem))


def layout(job: Job, view: ExplorerView, problem: str | None = None) -> Component:
    """The page, without the points: the browser asks for them. `problem` is what was wrong with the address."""
    return html.Div(
        [
            messages.address_problem(problem) if problem else None,
            html.Div([html.H1(job.name), state_word(job.state)], className="job-title"),
            tabs(job.id, "explorer"),
            _stale(),
            html.Div([_front_panel(job, view), limits_panel()], className="explorer-beside"),
            pick_panel(view),
            table_panel(),
            parallel_panel(),
            _importance_panel(),
            dcc.Store(id="explorer-start", data=start(job, view)),
            dcc.Store(id="explorer-opened"),
            dcc.Store(id="explorer-ask"),
            dcc.Store(id="explorer-sample"),
            html.Div(id="explorer-hover", className="explorer-hover", hidden=True, **{"aria-hidden": "true"}),
        ],
        id="explorer",
    )


def start(job: Job, view: ExplorerView) -> dict[str, Any]:
    """What the browser has to know before it asks for points."""
    unit = loss_unit(job.config)
    return {
        "job": job.id,
        "name": job.name,
        "objectives": list(job.objectives),
        "view": view.to_json(),
        "figure": plain(pareto_figure()),
        "poll_ms": POLL_MS,
        "colour_scale": list(COLOUR_SCALE),
        "colours": {"front": FRONT, "evaluated": MUTED, "infeasible": OCHRE, "tuned": FINALIST},
        "quantities": {
            name: {"label": one.label, "axis": one.axis.format(loss_unit=unit), "kind": one.kind, "scale": one.scale}
            for name, one in EXPLORED.items()
        },
    }


def _stale() -> Component:
    """The notice that points could not be read; the browser shows it and fills in why."""
    words = [html.Code(id="explorer-stale-why"), html.Br(), "Below is what was read last. Trying again."]
    title = "The points can't be read right now"
    alert = dmc.Alert(words, title=title, color="yellow", variant="light", className="notice")
    return html.Div(alert, id="explorer-stale", hidden=True, role="status")


def _front_panel(job: Job, view: ExplorerView) -> Component:
    device = caption(job.config)
    return html.Section(
        [
            html.H2("Front"),
            controls(view),
            html.P("Reading the points …", id="explorer-summary", className="quiet", role="status"),
            html.Div(
                [html.Canvas(id="explorer-cloud"), html.Div(id="explorer-plot")],
                id="explorer-chart",
                className="explorer-chart",
                role="group",
                **{"aria-label": "Scatter of the evaluated architectures; the table below lists the same ones"},
            ),
            html.P(id="explorer-brushed", className="quiet", hidden=True),
            time_control(),
            html.P(
                f"{f'Latency: {device}. ' if device else ''}A point leads to its architecture. Box and lasso of the "
                "figure's toolbar choose points; bars are the interval of a predicted latency.",
                className="quiet",
            ),
        ],
        className="panel",
    )


def _importance_panel() -> Component:
    empty = importance_figure(sampled_importances(None, ()).shares)
    label = "Importance of each choice; the sentences below say the same"
    return html.Section(
        [
            html.H2("What the choices have to do with it"),
            html.P("Reading the architectures of a sample …", id="explorer-importance-note", className="quiet"),
            chart("explorer-importance", empty, label),
            html.Div(id="explorer-importance-words"),
        ],
        className="panel",
    )


def register(app: Dash, site: Site) -> None:
    """Answer the browser's requests for points, and hand it what it is to draw."""
    register_points(app, site)
    _register_browser(app)

    @app.callback(
        Output("explorer-over", "data"),
        Output("explorer-over", "placeholder"),
        Input("explorer-opened", "data"),
        State("explorer-start", "data"),
        prevent_initial_call=True,
    )
    def offer_others(_: Any, started: dict[str, Any]) -> tuple[Any, str]:
        try:
            others = read_others(site.reader, started["job"])
        except (Unreadable, NotThere):
            return no_update, "Not readable now"
        groups = (("Same unit of loss", True), ("Another unit: losses don't compare", False))
        offered = [
            {
                "group": words,
                "items": [{"value": one.id, "label": one.name} for one in others if one.same_unit is same],
            }
            for words, same in groups
        ]
        return [group for group in offered if group["items"]], "None" if others else "No other job has a front"

    @app.callback(
        Output("explorer-sample", "data"),
        Output(figure_id("explorer-importance"), "data"),
        Output("explorer-importance-note", "children"),
        Output("explorer-importance-words", "children"),
        Input("explorer-ask", "data"),
        State("explorer-start", "data"),
        prevent_initial_call=True,
    )
    def take_sample(latest: int, started: dict[str, Any]) -> tuple[Any, ...]:
        try:
            sample = read_sample(site.reader, started["job"], int(latest))
        except (Unreadable, NotThere) as error:
            return no_update, no_update, str(error), no_update
        found = sampled_importances(sample, started["objectives"])
        note, words = sample_words(sample, found)
        return drawable(sample, found), plain(importance_figure(found.shares)), note, words


# What a control is called in the view.
CONTROLS = {
    "explorer-x": "x",
    "explorer-y": "y",
    "explorer-colour": "colour",
    "explorer-xscale": "xscale",
    "explorer-yscale": "yscale",
    "explorer-fidelity": "fidelity",
    "explorer-feasible": "feasible",
    "explorer-over": "over",
    "explorer-shown": "shown",
}


def _register_browser(app: Dash) -> None:
    app.clientside_callback(
        "(start, scheme, templates) => window.frontierExplorer.open(start, templates && templates[scheme])",
        Output("explorer-opened", "data"),
        Input("explorer-start", "data"),
        Input("shell-scheme", "data"),
        State("shell-templates", "data"),
    )
    for control, key in CONTROLS.items():
        app.clientside_callback(
            f"value => window.frontierExplorer.choose('{key}', value)",
            Output(control, "className"),
            Input(control, "value"),
            prevent_initial_call=True,
        )
    app.clientside_callback(
        "(rule, number) => window.frontierExplorer.choosePick(rule, number)",
        Output("explorer-pick", "className"),
        Input("explorer-pick", "value"),
        Input("explorer-pick-number", "value"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        "cell => window.frontierExplorer.follows(cell)",
        Output("shell-location", "href", allow_duplicate=True),
        Input("explorer-table", "cellClicked"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        "sample => window.frontierExplorer.takeSample(sample)",
        Output("explorer-parallel-note", "className"),
        Input("explorer-sample", "data"),
        prevent_initial_call=True,
    )
    for button, action in {
        "explorer-clear-brush": "clearBrush",
        "explorer-clear-limits": "clearLimits",
        "explorer-clear-ranges": "clearRanges",
        "explorer-unzoom": "unzoom",
        "explorer-csv": "exportCsv",
    }.items():
        app.clientside_callback(
            f"() => window.frontierExplorer.{action}()",
            Output(button, "className"),
            Input(button, "n_clicks"),
            prevent_initial_call=True,
        )
