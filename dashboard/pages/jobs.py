"""The jobs page: every job of the ledger, newest first."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pandas as pd
from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from .. import messages
from ..grids import Column, grid, grid_style
from ..numbers import SPACE, UNKNOWN, count, known, loss, moment
from ..page import Page
from ..reader import Reader, Unreadable
from ..site import Site

ROUTE = re.compile(r"/")
POLL_MS = 2000
COLUMNS = (
    Column("name", "Job", "link", 180),
    Column("state", "State", "state", 110),
    Column("stage", "Stage", width=90),
    Column("progress", "Progress", "number", 130, "Done of total in the present stage"),
    Column("evaluations", "Evaluations", "number", 110, "Architectures evaluated, all fidelities"),
    Column("failed", "Failed", "number", 80),
    Column("front_size", "Front", "number", 80, "Architectures on the front"),
    Column("best_val_loss", "Best loss", "number", 100, "Least validation loss, in the unit of the job's task"),
    Column("created_at", "Created (UTC)", width=170),
)


def href(job_id: str) -> str:
    """The address of a job's page."""
    return f"/job/{quote(job_id, safe='')}"


def rows(jobs: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the table from `Ledger.jobs()`."""
    return [_row(job) for job in jobs.to_dict("records")]


def _row(job: dict[Any, Any]) -> dict[str, Any]:
    share = job["done"] / job["total"] if known(job["total"]) and job["total"] else None
    best = job["best_val_loss"]
    return {
        "href": href(job["id"]),
        "name": job["name"],
        "state": job["state"],
        "stage": job["stage"],
        "progress": share,
        "progress_text": f"{count(job['done'])} / {count(job['total'])} ({100 * share:.0f}{SPACE}%)"
        if share is not None
        else UNKNOWN,
        "evaluations": job["evaluations"],
        "evaluations_text": count(job["evaluations"]),
        "failed": job["failed"],
        "failed_text": count(job["failed"]),
        "front_size": job["front_size"],
        "front_size_text": count(job["front_size"]),
        "best_val_loss": best if known(best) else None,
        "best_val_loss_text": loss(best),
        "created_at": moment(job["created_at"]),
    }


def open_page(site: Site, names: dict[str, str], search: str | None) -> Page:
    """The page."""
    return Page("Jobs", layout(read_jobs(site.reader), site.reader.database))


def read_jobs(reader: Reader) -> pd.DataFrame:
    """Every job of the ledger."""
    with reader.ledger() as ledger:
        return ledger.jobs()


def layout(jobs: pd.DataFrame, database: str) -> Component:
    """The page; an empty ledger is told how to start."""
    listed = rows(jobs)
    return html.Div(
        [
            html.H1("Jobs"),
            html.Div(id="jobs-notice"),
            html.Div(messages.no_jobs(database), id="jobs-empty", hidden=bool(listed)),
            html.Div(grid("jobs-table", COLUMNS, listed, "href"), id="jobs-filled", hidden=not listed),
            dcc.Interval(id="jobs-clock", interval=POLL_MS),
        ]
    )


def register(app: Dash, site: Site) -> None:
    """Keep the table fresh, and make a row lead to its job."""

    @app.callback(
        Output("jobs-table", "rowData"),
        Output("jobs-table", "style"),
        Output("jobs-empty", "hidden"),
        Output("jobs-filled", "hidden"),
        Output("jobs-notice", "children"),
        Input("jobs-clock", "n_intervals"),
        prevent_initial_call=True,
    )
    def refresh(_: int) -> tuple[Any, ...]:
        try:
            listed = rows(read_jobs(site.reader))
        except Unreadable as error:
            return (*[no_update] * 4, messages.stale(str(error)))
        return listed, grid_style(len(listed)), bool(listed), not listed, None

    app.clientside_callback(
        "cell => cell && cell.colId !== 'name' ? cell.rowId : window.dash_clientside.no_update",
        Output("shell-location", "href", allow_duplicate=True),
        Input("jobs-table", "cellClicked"),
        prevent_initial_call=True,
    )
