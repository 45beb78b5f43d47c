"""Jobs that wait while nobody is there to run them: said, with the command that helps."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from ..numbers import count


def nobody_runs(waiting: int, controllers: Sequence[str], database: str) -> Component | None:
    """A line for where `waiting` jobs are queued and no controller is alive; nothing otherwise."""
    if not waiting or controllers:
        return None
    who = "1 job waits" if waiting == 1 else f"{count(waiting)} jobs wait"
    return dmc.Alert(
        [
            html.P("No controller has said lately that it is alive. Start one, with this dashboard in it:"),
            html.Pre(html.Code(f"frontier serve --db {shlex.quote(database)}")),
        ],
        title=f"{who} and nobody is there to run what waits",
        color="yellow",
        variant="light",
        className="notice",
    )


def shown_database(given: str, url: str) -> str:
    """How a database is named on a page: as it was given, but never with a password."""
    return url if "://" in given else given
