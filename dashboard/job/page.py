"""One job, live: where it stands, how its front grows, who scores how fast, what went wrong, what happened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from ...errors import InputError
from .. import messages
from ..choices import read_choices, write_choices
from ..jobs.actions import carry_out, deletion, not_done, told, what_goes
from ..page import Page
from ..reader import NotThere, Unreadable
from ..site import Site
from .overview import OVER, OVER_TIME, PLACES, Shown, panels, places
from .reading import read_job, read_versions
from .tabs import tabs

ROUTE = re.compile(r"/job/(?P<job>[^/]+)/?")
# A job that runs is looked at more often than one that waits or rests.
POLL_MS, IDLE_POLL_MS = 2000, 5000
CHOICES = {"over": ("evaluations", "time")}
WORDS = {"evaluations": "Steps and evaluations", "time": "Time"}


def open_page(site: Site, names: dict[str, str], search: str | None) -> Page:
    """The page of the job that the address names."""
    view, problem = read_choices(search, CHOICES)
    reading = read_job(site.reader, names["job"])
    shown = Shown(reading, view["over"], site.reader.database, site.access.granted())
    return Page(reading.job.name, layout(shown, problem))


def layout(shown: Shown, problem: str | None = None) -> Component:
    """The page of a job. `problem` is what was wrong with the view that the address asked for."""
    job, drawn = shown.reading.job, places(shown)
    return html.Div(
        [
            html.Div(id="job-notice"),
            messages.address_problem(problem) if problem else None,
            drawn["job-header"],
            tabs(job.id, "overview"),
            drawn["job-waiting"],
            html.Div(id="job-said", role="status", **{"aria-live": "polite"}),
            drawn["job-actions"],
            drawn["job-counts"],
            drawn["job-facts"],
            html.Div(_over(shown.over), className="controls job-controls"),
            *panels(drawn),
            deletion("job"),
            dcc.Store(id="job-id", data=job.id),
            dcc.Store(id="job-versions", data=dict(shown.reading.versions)),
            dcc.Interval(id="job-clock", interval=interval_ms(job.state), disabled=job.state in OVER),
        ]
    )


def _over(over: str) -> Component:
    data = [{"value": value, "label": label} for value, label in WORDS.items()]
    control = dmc.SegmentedControl(id="job-over", data=data, value=over, size="sm", **{"aria-label": "Figures over"})
    return html.Div([html.Span("Figures over", className="control-label"), control])


def interval_ms(state: str) -> int:
    """How long after one look at a job in that state comes the next."""
    return POLL_MS if state == "running" else IDLE_POLL_MS


def changed_parts(now: Mapping[str, str], before: Mapping[str, str]) -> frozenset[str]:
    """The parts of the page that would be drawn otherwise than before."""
    return frozenset(part for part, version in now.items() if before.get(part) != version)


def register(app: Dash, site: Site) -> None:
    """Refresh what changed, keep the address in step with the switch, and do what the buttons say."""

    @app.callback(
        *(place.output for place in PLACES),
        Output("job-versions", "data"),
        Output("job-clock", "interval"),
        Output("job-clock", "disabled"),
        Output("job-notice", "children"),
        Input("job-clock", "n_intervals"),
        Input("job-over", "value"),
        Input("job-said", "children"),
        State("job-id", "data"),
        State("job-versions", "data"),
        prevent_initial_call=True,
    )
    def refresh(_: int, over: str, said: Any, job_id: str, versions: dict[str, str]) -> tuple[Any, ...]:
        same = (no_update,) * (len(PLACES) + 3)
        redrawn = OVER_TIME if ctx.triggered_id == "job-over" else frozenset()
        try:
            if not redrawn and not changed_parts(read_versions(site.reader, job_id), versions):
                return (*same, None)
            reading = read_job(site.reader, job_id)
        except (Unreadable, NotThere) as error:
            return (*same, messages.stale(str(error)))
        shown = Shown(reading, over, site.reader.database, site.access.granted())
        redrawn |= changed_parts(reading.versions, versions)
        drawn = [place.value(shown) if place.part in redrawn else no_update for place in PLACES]
        state = reading.job.state
        return (*drawn, dict(reading.versions), interval_ms(state), state in OVER, None)

    @app.callback(
        Output("shell-location", "search"),
        Output("shell-shown", "data", allow_duplicate=True),
        Input("job-over", "value"),
        State("shell-location", "pathname"),
        prevent_initial_call=True,
    )
    def write_address(over: str, pathname: str) -> tuple[str, list[str]]:
        search = write_choices({"over": over}, CHOICES)
        return search, [pathname, search]

    @app.callback(
        Output("job-said", "children"),
        Output("job-doomed-words", "children"),
        Output("job-deletion", "opened"),
        Input({"type": "job-action", "action": ALL}, "n_clicks"),
        State("job-id", "data"),
        prevent_initial_call=True,
    )
    def act(clicks: list[int | None], job_id: str) -> tuple[Any, ...]:
        if not any(clicks):  # buttons that were drawn anew, not clicked
            return (no_update,) * 3
        action = ctx.triggered_id["action"]
        if action != "delete" or not site.access.granted():
            return told(site, action, job_id), no_update, no_update
        try:
            return no_update, what_goes(site.reader, job_id), True
        except (Unreadable, NotThere) as error:
            return messages.stale(str(error)), no_update, no_update

    @app.callback(
        Output("shell-location", "href", allow_duplicate=True),
        Output("job-said", "children", allow_duplicate=True),
        Output("job-deletion", "opened", allow_duplicate=True),
        Input("job-delete", "n_clicks"),
        State("job-deletion", "opened"),
        State("job-id", "data"),
        prevent_initial_call=True,
    )
    def delete(clicks: int | None, asked: bool, job_id: str) -> tuple[Any, ...]:
        # Dash calls this as well when the page with the button comes up: nobody has clicked then.
        if not (clicks and asked):
            return (no_update,) * 3
        try:
            carry_out(site, "delete", job_id)
        except InputError as error:
            return no_update, not_done(str(error)), False
        return "/", no_update, False

    app.clientside_callback(
        "() => false",
        Output("job-deletion", "opened", allow_duplicate=True),
        Input("job-keep", "n_clicks"),
        prevent_initial_call=True,
    )
