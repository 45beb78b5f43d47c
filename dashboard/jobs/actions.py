"""What can be done with a job from a page: stop, resume, delete. Each has a command that does the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from ...db import Job
from ...errors import InputError
from ..grids import Column
from ..numbers import count
from ..reader import Reader, find_job
from ..site import Site

LABELS = {"stop": "Stop", "resume": "Resume", "delete": "Delete"}
OFFERED: Mapping[str, tuple[str, ...]] = {
    "queued": ("stop",),
    "running": ("stop",),
    "interrupted": ("resume", "delete"),
    "failed": ("resume", "delete"),
    "done": ("delete",),
}
DONE = {
    "stop": "{name} is asked to stop; it can be resumed later.",
    "resume": "{name} waits for a controller to take it up.",
    "delete": "{name} is deleted.",
}


class ActionsColumn(Column):
    """A column of buttons: a cell holds the actions of its row, a space between them."""

    def definition(self) -> dict[str, Any]:
        return super().definition() | {"cellRenderer": "FrontierActions", "sortable": False}


def offered(state: str, stop_asked: bool) -> tuple[str, ...]:
    """The actions that make sense for a job in a state. One that was asked to stop is not asked again."""
    return tuple(action for action in OFFERED[state] if not (action == "stop" and stop_asked))


def carry_out(site: Site, action: str, job_id: str) -> str:
    """Do it, and say in a sentence what was done.

    Raises:
        Refused: whoever asks may not change anything.
        InputError: there is no such action or job, or the job's state does not allow it.
    """
    if action not in LABELS or not isinstance(job_id, str):
        raise InputError(f"action: one of {', '.join(LABELS)} with a job's id; got {action!r}, {job_id!r}")
    with site.changing() as ledger:
        name = ledger.job(job_id).name
        if action == "stop":
            ledger.ask_to_stop(job_id)
        elif action == "resume":
            ledger.enqueue(job_id)
        else:
            ledger.delete_job(job_id)
    return DONE[action].format(name=name)


def told(site: Site, action: str, job_id: str) -> Component:
    """Do it, and show what was done or why it can't be. Raises Refused where whoever asks may not change anything."""
    try:
        return dmc.Alert(carry_out(site, action, job_id), color="green", variant="light", className="notice")
    except InputError as error:
        return not_done(str(error))


def not_done(why: str) -> Component:
    return dmc.Alert(why, title="Not done", color="red", variant="light", className="notice")


def buttons(page: str, job: Job) -> Component:
    """Buttons for what can be done with a job; their ids are `{"type": "<page>-action", "action": ...}`."""
    asked = [html.Span("Stopping …", className="quiet")] if job.stop_asked and job.state == "running" else []
    return html.Div(
        [
            dmc.Button(
                LABELS[action],
                id={"type": f"{page}-action", "action": action},
                size="xs",
                variant="default",
                color="red" if action == "delete" else None,
                **{"aria-label": f"{LABELS[action]} {job.name}"},
            )
            for action in offered(job.state, job.stop_asked)
        ]
        + asked,
        className="job-actions",
    )


def commands(job: Job, database: str) -> dict[str, str]:
    """The command line of each action that makes sense for a job, for where the page may not change anything."""
    words = {"stop": "stop", "resume": "resume", "delete": "job delete"}
    return {
        action: f"frontier {words[action]} {shlex.quote(job.id)} --db {shlex.quote(database)}"
        for action in offered(job.state, job.stop_asked)
    }


def deletion(page: str) -> Component:
    """The question whether a job is to be deleted, closed. What is asked goes into `<page>-doomed-words`."""
    return dmc.Modal(
        [
            html.Div(id=f"{page}-doomed-words"),
            dmc.Group(
                [
                    dmc.Button("Delete", id=f"{page}-delete", color="red"),
                    dmc.Button("Keep it", id=f"{page}-keep", variant="default", **{"data-autofocus": True}),
                ],
                justify="flex-end",
            ),
        ],
        id=f"{page}-deletion",
        title="Delete a job",
        opened=False,
        closeButtonProps={"aria-label": "Close"},
    )


def what_goes(reader: Reader, job_id: str) -> Component:
    """What deleting a job takes away, and what stays.

    Raises:
        NotThere: no such job.
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        job = find_job(ledger, job_id)
        rows = ledger.delete_job(job.id, force=True, dry_run=True)
    gone = [f"{count(number)} {table.replace('_', ' ')}" for table, number in rows.items() if number]
    return html.Div(
        [
            html.P([html.Strong(job.name), f" ({job.id}) goes for good, with"]),
            html.Ul([html.Li(words) for words in gone]),
            html.P(["Its files stay in ", html.Code(job.run_dir), "."]),
        ]
    )
