"""One job, live: where it stands, the Pareto figure with its table, the supernet's curve and the events."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
import pandas as pd
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from .. import messages
from ..charts import chart, figure_id, graph_id, plain
from ..curve_figure import curve_figure
from ..grids import Column, grid, grid_style
from ..job_header import facts, header
from ..numbers import QUANTITIES, count, interval, known, latency, loss, loss_unit, mebibytes, moment
from ..page import Page
from ..pareto_figure import caption, pareto_figure
from ..reader import NotThere, Unreadable
from ..readings.job import JobReading, read_job, read_version
from ..site import Site
from ..view import View, read_view
from . import jobs

ROUTE = re.compile(r"/job/(?P<job>[^/]+)/?")
POLL_MS = 2000
OVER = ("done", "failed")
SHORT_DIGEST = 8

COLUMNS = (
    Column("digest_short", "Architecture", "link", 118, pinned=True),
    Column("val_loss", "Val loss", "number", 96, "Validation loss with weights inherited from the supernet"),
    Column("latency_ms", "Latency, predicted (ms)", "number", 190, "Predicted latency with its interval"),
    Column("latency_measured_ms", "Measured (ms)", "number", 122, "Latency measured on the device"),
    Column("tuned_loss", "Fine-tuned loss", "number", 128, "Validation loss after fine-tuning"),
    Column("param_count", "Parameters", "number", 110),
    Column("peak_memory_bytes", "Peak memory", "number", 116, "Predicted peak memory"),
)


def href(job_id: str, digest: str) -> str:
    """The address of an architecture's page."""
    return f"{jobs.href(job_id)}/architecture/{quote(digest, safe='')}"


def front_rows(job_id: str, front: pd.DataFrame, evaluations: pd.DataFrame) -> list[dict[str, Any]]:
    """The front as a table: one row per member, in the front's order, with what is known at either fidelity."""
    members = evaluations[evaluations["digest"].isin(front["digest"])]
    at = {
        fidelity: members[members["fidelity"] == fidelity].set_index("digest").to_dict("index")
        for fidelity in ("inherited", "finetuned")
    }
    return [
        _row(job_id, digest, at["inherited"].get(digest, {}), at["finetuned"].get(digest, {}))
        for digest in front["digest"]
    ]


def _row(job_id: str, digest: str, inherited: dict[Any, Any], tuned: dict[Any, Any]) -> dict[str, Any]:
    def first(column: str) -> Any:
        return next((row[column] for row in (tuned, inherited) if known(row.get(column))), None)

    values = {
        "val_loss": (_value(inherited.get("val_loss")), loss),
        "latency_measured_ms": (first("latency_measured_ms"), latency),
        "tuned_loss": (_value(tuned.get("val_loss")), loss),
        "param_count": (first("param_count"), count),
        "peak_memory_bytes": (first("peak_memory_bytes"), mebibytes),
    }
    predicted = first("latency_ms")
    return {
        "href": href(job_id, digest),
        "digest": digest,
        "digest_short": digest[:SHORT_DIGEST],
        "latency_ms": predicted,
        "latency_ms_text": interval(predicted, first("latency_low_ms"), first("latency_high_ms")),
        **{field: value for field, (value, _) in values.items()},
        **{f"{field}_text": text(value) for field, (value, text) in values.items()},
    }


def _value(value: Any) -> Any:
    return value if known(value) else None


def event_list(events: pd.DataFrame) -> Component:
    """The events, newest first."""
    if events.empty:
        return html.P("No events yet.", className="quiet")
    return html.Ol(
        [
            html.Li(
                [
                    html.Time(moment(event["created_at"])),
                    html.Span(event["stage"], className="event-stage"),
                    html.Span(event["message"], className=f"event-message event-{event['kind']}"),
                ]
            )
            for event in events.to_dict("records")
        ],
        className="events",
    )


def figure(reading: JobReading, view: View) -> go.Figure:
    """The Pareto figure of a reading over a view's axes."""
    unit = loss_unit(reading.job.config)
    return pareto_figure(reading.evaluations, reading.front, reading.job.objectives, view, unit)


def summary(reading: JobReading, view: View) -> str:
    """What the Pareto figure shows, in words."""
    inherited = reading.evaluations[reading.evaluations["fidelity"] == "inherited"]
    tuned = (reading.evaluations["fidelity"] == "finetuned").sum()
    states = inherited["state"].value_counts()
    parts = [f"{count(states.get('complete', 0))} scored with inherited weights"]
    parts += [f"{count(states[state])} {state}" for state in ("infeasible", "hopeless", "failed") if state in states]
    parts += [f"{count(tuned)} fine-tuned"] if tuned else []
    parts.append(f"{count(len(reading.front))} on the front")
    device = caption(reading.job.config)
    latency_of = f" Latency: {device}." if device and "latency_ms" in (view.x, view.y) else ""
    return f"{', '.join(parts)}.{latency_of}"


def open_page(site: Site, names: dict[str, str], search: str | None) -> Page:
    """The page of the job that the address names."""
    view, problem = read_view(search)
    read = read_job(site.reader, names["job"], view.front)
    return Page(read.job.name, layout(read, view, problem))


def layout(reading: JobReading, view: View, problem: str | None = None) -> Component:
    """The page of a job. `problem` is what was wrong with the view that the address asked for."""
    return html.Div(
        [
            html.Div(id="job-notice"),
            messages.address_problem(problem) if problem else None,
            html.Div(header(reading.job), id="job-header"),
            html.Div(facts(reading.job), id="job-facts"),
            _front_panel(reading, view),
            html.Section(
                [html.H2("Supernet training"), chart("job-curve", _curve(reading), "Loss over training steps")],
                className="panel",
            ),
            html.Section(
                [html.H2("Events (UTC)"), html.Div(event_list(reading.events), id="job-events")], className="panel"
            ),
            dcc.Store(id="job-id", data=reading.job.id),
            dcc.Store(id="job-version", data=_version(reading, view)),
            dcc.Interval(id="job-clock", interval=POLL_MS, disabled=reading.job.state in OVER),
        ]
    )


def _front_panel(reading: JobReading, view: View) -> Component:
    rows = front_rows(reading.job.id, reading.front, reading.evaluations)
    return html.Section(
        [
            html.H2("Pareto front"),
            _controls(view),
            html.P(summary(reading, view), id="job-summary", className="quiet"),
            chart("job-pareto", figure(reading, view), "Pareto figure; the table below it lists the same front"),
            html.P("A point or a row leads to its architecture.", className="quiet"),
            grid("job-front", COLUMNS, rows, "href"),
        ],
        className="panel",
    )


def _controls(view: View) -> Component:
    axes = [{"value": name, "label": quantity.label} for name, quantity in QUANTITIES.items()]
    return html.Div(
        [
            dmc.Select(id="job-x", label="x axis", data=axes, value=view.x, allowDeselect=False, size="sm"),
            dmc.Select(id="job-y", label="y axis", data=axes, value=view.y, allowDeselect=False, size="sm"),
            _switch("job-scale", "x scale", view.scale, {"linear": "Linear", "log": "Log"}),
            _switch(
                "job-fidelity", "Front of", view.front, {"inherited": "Inherited weights", "finetuned": "Fine-tuned"}
            ),
        ],
        className="controls",
    )


def _switch(switch_id: str, label: str, value: str, words: dict[str, str]) -> Component:
    data = [{"value": key, "label": word} for key, word in words.items()]
    control = dmc.SegmentedControl(id=switch_id, data=data, value=value, size="sm", **{"aria-label": label})
    return html.Div([html.Span(label, className="control-label"), control])


def _curve(reading: JobReading) -> go.Figure:
    return curve_figure(reading.curve, reading.job.facts.get("prior_nats"), loss_unit(reading.job.config))


def _version(reading: JobReading, view: View) -> str:
    return f"{reading.version} {view.search}"


def register(app: Dash, site: Site) -> None:
    """Refresh the page while its job runs, keep the address in step with the controls, lead from points to pages."""

    @app.callback(
        Output("job-header", "children"),
        Output("job-facts", "children"),
        Output("job-summary", "children"),
        Output(figure_id("job-pareto"), "data"),
        Output("job-front", "rowData"),
        Output("job-front", "style"),
        Output(figure_id("job-curve"), "data"),
        Output("job-events", "children"),
        Output("job-version", "data"),
        Output("job-clock", "disabled"),
        Output("job-notice", "children"),
        Input("job-clock", "n_intervals"),
        Input("job-x", "value"),
        Input("job-y", "value"),
        Input("job-scale", "value"),
        Input("job-fidelity", "value"),
        State("job-id", "data"),
        State("job-version", "data"),
        prevent_initial_call=True,
    )
    def refresh(_: int, x: str, y: str, scale: str, front: str, job_id: str, version: str) -> tuple[Any, ...]:
        view = View(x, y, scale, front)
        try:
            if f"{read_version(site.reader, job_id)} {view.search}" == version:
                return (*[no_update] * 10, None)
            reading = read_job(site.reader, job_id, view.front)
        except (Unreadable, NotThere) as error:
            return (*[no_update] * 10, messages.stale(str(error)))
        rows = front_rows(reading.job.id, reading.front, reading.evaluations)
        return (
            header(reading.job),
            facts(reading.job),
            summary(reading, view),
            plain(figure(reading, view)),
            rows,
            grid_style(len(rows)),
            plain(_curve(reading)),
            event_list(reading.events),
            _version(reading, view),
            reading.job.state in OVER,
            None,
        )

    @app.callback(
        Output("shell-location", "search"),
        Output("shell-shown", "data", allow_duplicate=True),
        Input("job-x", "value"),
        Input("job-y", "value"),
        Input("job-scale", "value"),
        Input("job-fidelity", "value"),
        State("shell-location", "pathname"),
        prevent_initial_call=True,
    )
    def write_address(x: str, y: str, scale: str, front: str, pathname: str) -> tuple[str, list[str]]:
        search = View(x, y, scale, front).search
        return search, [pathname, search]

    app.clientside_callback(
        """(click, cell) => {
            const none = window.dash_clientside.no_update;
            if (window.dash_clientside.callback_context.triggered_id === "job-front") {
                return cell && cell.colId !== "digest_short" ? cell.rowId : none;
            }
            const point = click && click.points.find((point) => typeof point.customdata === "string");
            return point ? window.location.pathname + "/architecture/" + point.customdata : none;
        }""",
        Output("shell-location", "href", allow_duplicate=True),
        Input(graph_id("job-pareto"), "clickData"),
        Input("job-front", "cellClicked"),
        prevent_initial_call=True,
    )
