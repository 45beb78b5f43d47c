"""The jobs page: every job of the ledger, newest first, and what can be done with each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from .. import messages
from ..grids import Column, grid, grid_style
from ..job.header import STAGES
from ..job.tabs import explorer_href, overview_href
from ..numbers import SPACE, UNKNOWN, count, known, loss, moment, significant
from ..page import Page
from ..reader import NotThere, Unreadable
from ..site import Site
from .actions import ActionsColumn, deletion, offered, told, what_goes
from .reading import JobsReading, read_overviews, read_version
from .sparkline import SparklineColumn, sparkline_path
from .waiting import nobody_runs, shown_database

ROUTE = re.compile(r"/")
POLL_MS = 2000
LATER = "…"
STATES = ("complete", "infeasible", "hopeless", "failed")
# Where progress is sorted: a stage that is full before the next begins, one that does not count yet between them.
FULL, NOT_COUNTED = 0.9, -0.05
ORDER = ("running", "queued", "interrupted", "failed", "done")
COLUMNS = (
    Column("name", "Job", "link", 180),
    Column("state", "State", "state", 126),
    Column("progress", "Progress", "number", 150, "Present stage, and how much of it is done"),
    Column("best_val_loss", "Best loss", "number", 94, "Least validation loss, in the unit of the job's task"),
    Column("front_size", "Front", "number", 68, "Architectures on the front of inherited weights"),
    SparklineColumn("hypervolume", "Hypervolume", "text", 124, "Of the front, over the evaluations so far"),
    Column("complete", "Complete", "number", 96, "Architectures scored, at all fidelities"),
    Column("infeasible", "Infeasible", "number", 98, "Beyond a limit of the job"),
    Column("hopeless", "Hopeless", "number", 96, "Given up early: they would not have come near the front"),
    Column("failed", "Failed", "number", 76, "Not scored, for a reason that the job's page counts"),
)
CREATED = Column("created_at", "Created (UTC)", width=124)
ACTIONS = ActionsColumn("actions", "Actions", width=150)


def rows(reading: JobsReading) -> list[dict[str, Any]]:
    """The rows of the table, a job each."""
    return [
        _row(job, reading.counts.get(job["id"]), reading.hypervolumes.get(job["id"]))
        for job in reading.jobs.to_dict("records")
    ]


def _row(job: dict[Any, Any], counts: Mapping[str, int] | None, hypervolume: pd.DataFrame | None) -> dict[str, Any]:
    """The row of a job; without counts and hypervolume where there was no time for them yet."""
    best = job["best_val_loss"] if known(job["best_val_loss"]) else None
    numbers = {
        "best_val_loss": (best, loss(best)),
        "front_size": (job["front_size"], count(job["front_size"])),
        **{state: _state(counts, state) for state in STATES},
    }
    return {
        "id": job["id"],
        "href": explorer_href(job["id"]) if job["state"] == "done" else overview_href(job["id"]),
        "name": job["name"],
        "state": job["state"],
        **_progress(job),
        **{field: value for field, (value, _) in numbers.items()},
        **{f"{field}_text": text for field, (_, text) in numbers.items()},
        **_hypervolume(hypervolume, job["evaluations"]),
        "created_at": moment(job["created_at"])[: len("2026-11-22")],
        "actions": " ".join(offered(job["state"], job["stop_asked"])),
        "stamp": f"{job['updated_at'].isoformat()}{'' if counts is not None else ' ' + LATER}",
    }


def _state(counts: Mapping[str, int] | None, state: str) -> tuple[int | None, str]:
    return (None, LATER) if counts is None else (counts.get(state, 0), count(counts.get(state, 0)))


def _progress(job: dict[Any, Any]) -> dict[str, Any]:
    """Sorted by stage, then by its share. Each text has a value of its own: a cell is drawn anew when that changes."""
    share = job["done"] / job["total"] if job["total"] else None
    if job["stage"] == "done":
        return {"progress": len(STAGES), "progress_text": "all stages"}
    if job["state"] == "queued" and share is None:
        return {"progress": -1, "progress_text": "not begun"}
    done = f"{SPACE}{count(job['done'])}/{count(job['total'])}" if share is not None else ""
    at = STAGES.index(job["stage"]) + (NOT_COUNTED if share is None else FULL * share)
    return {"progress": at, "progress_text": f"{job['stage']}{done}"}


def _hypervolume(curve: pd.DataFrame | None, evaluations: int) -> dict[str, str]:
    if curve is None:
        return {"hypervolume": "", "hypervolume_text": LATER}
    if curve.empty:
        return {"hypervolume": "", "hypervolume_text": UNKNOWN}
    values, seqs = curve["value"].tolist(), curve["seq"].tolist()
    return {
        "hypervolume": sparkline_path(seqs, values, max(evaluations, seqs[-1])),
        "hypervolume_text": f"{significant(values[-1])}, last grown at evaluation {count(seqs[-1])}",
    }


def summary(reading: JobsReading) -> str:
    """How many jobs there are in each state."""
    states = reading.jobs["state"].value_counts()
    return ", ".join(f"{count(states[state])} {state}" for state in ORDER if state in states)


def open_page(site: Site, names: dict[str, str], search: str | None) -> Page:
    """The page."""
    return Page("Jobs", layout(read_overviews(site.reader), site.reader.database, site.access.granted()))


def layout(reading: JobsReading, given: str, may_change: bool = False) -> Component:
    """The page; an empty ledger is told how to start. `given` is how the database was named."""
    listed = rows(reading)
    database = shown_database(given, reading.database)
    table = grid("jobs-table", (*COLUMNS, ACTIONS if may_change else CREATED), listed, "id")
    new = dcc.Link("New search", href="/new", className="button-link")
    return html.Div(
        [
            html.Div([html.H1("Jobs"), new], className="title"),
            html.Div(id="jobs-notice"),
            html.Div(waiting(reading, database), id="jobs-waiting"),
            html.Div(id="jobs-said", role="status", **{"aria-live": "polite"}),
            html.P(summary(reading), id="jobs-summary", className="quiet"),
            html.Div(messages.no_jobs(database), id="jobs-empty", hidden=bool(listed)),
            html.Div(table, id="jobs-filled", hidden=not listed),
            deletion("jobs"),
            dcc.Store(id="jobs-version", data=reading.version),
            dcc.Store(id="jobs-stamps", data=_stamps(listed)),
            dcc.Store(id="jobs-doomed"),
            dcc.Interval(id="jobs-clock", interval=POLL_MS),
        ]
    )


def waiting(reading: JobsReading, database: str) -> Component | None:
    """What to do where jobs wait and nobody is there to run them."""
    return nobody_runs(int((reading.jobs["state"] == "queued").sum()), reading.controllers, database)


def _stamps(listed: list[dict[str, Any]]) -> dict[str, str]:
    return {row["id"]: row["stamp"] for row in listed}


def changes(listed: list[dict[str, Any]], stamps: Mapping[str, str]) -> tuple[Any, Any]:
    """What the table is sent: all its rows where jobs came or went, else a transaction of the rows that changed."""
    if [row["id"] for row in listed] != list(stamps):
        return listed, no_update
    changed = [row for row in listed if stamps[row["id"]] != row["stamp"]]
    return no_update, {"update": changed} if changed else no_update


def register(app: Dash, site: Site) -> None:
    """Keep the table fresh, make a row lead to its job, and do what its buttons say."""

    @app.callback(
        Output("jobs-table", "rowData"),
        Output("jobs-table", "rowTransaction"),
        Output("jobs-table", "style"),
        Output("jobs-empty", "hidden"),
        Output("jobs-filled", "hidden"),
        Output("jobs-summary", "children"),
        Output("jobs-waiting", "children"),
        Output("jobs-version", "data"),
        Output("jobs-stamps", "data"),
        Output("jobs-notice", "children"),
        Input("jobs-clock", "n_intervals"),
        Input("jobs-said", "children"),
        State("jobs-version", "data"),
        State("jobs-stamps", "data"),
        prevent_initial_call=True,
    )
    def refresh(_: int, said: Any, version: str, stamps: dict[str, str]) -> tuple[Any, ...]:
        try:
            if read_version(site.reader) == version:
                return (*[no_update] * 9, None)
            reading = read_overviews(site.reader)
        except Unreadable as error:
            return (*[no_update] * 9, messages.stale(str(error)))
        listed = rows(reading)
        return (
            *changes(listed, stamps),
            grid_style(len(listed)),
            bool(listed),
            not listed,
            summary(reading),
            waiting(reading, shown_database(site.reader.database, reading.database)),
            reading.version,
            _stamps(listed),
            None,
        )

    @app.callback(
        Output("jobs-said", "children"),
        Output("jobs-doomed", "data"),
        Output("jobs-doomed-words", "children"),
        Output("jobs-deletion", "opened"),
        Input("jobs-table", "cellRendererData"),
        prevent_initial_call=True,
    )
    def act(asked: dict[str, Any] | None) -> tuple[Any, ...]:
        if not asked:
            return (no_update,) * 4
        wanted = asked.get("value") or {}
        action, job_id = str(wanted.get("action")), str(wanted.get("job"))
        if action != "delete" or not site.access.granted():
            return told(site, action, job_id), no_update, no_update, no_update
        try:
            return no_update, job_id, what_goes(site.reader, job_id), True
        except (Unreadable, NotThere) as error:
            return messages.stale(str(error)), no_update, no_update, False

    @app.callback(
        Output("jobs-said", "children", allow_duplicate=True),
        Output("jobs-deletion", "opened", allow_duplicate=True),
        Input("jobs-delete", "n_clicks"),
        State("jobs-deletion", "opened"),
        State("jobs-doomed", "data"),
        prevent_initial_call=True,
    )
    def delete(clicks: int | None, asked: bool, job_id: str) -> tuple[Any, ...]:
        # Dash calls this as well when the page with the button comes up: nobody has clicked then.
        if not (clicks and asked):
            return no_update, no_update
        return told(site, "delete", job_id), False

    app.clientside_callback(
        "() => false",
        Output("jobs-deletion", "opened", allow_duplicate=True),
        Input("jobs-keep", "n_clicks"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        """cell => {
            const none = window.dash_clientside.no_update;
            if (!cell || cell.colId === "name" || cell.colId === "actions") { return none; }
            const row = dash_ag_grid.getApi("jobs-table").getRowNode(cell.rowId);
            return row ? row.data.href : none;
        }""",
        Output("shell-location", "href", allow_duplicate=True),
        Input("jobs-table", "cellClicked"),
        prevent_initial_call=True,
    )
