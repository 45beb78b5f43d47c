"""What became of what the page for a new search asked for: waiting, at work, failed, or its answer."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
import yaml
from dash import dcc, html
from dash.development.base_component import Component

from ...db import Command
from ..job.tabs import overview_href
from ..numbers import count, known, latency, space_size
from ..trouble import trouble

OVER = ("done", "failed")
DOING = {"price": "Pricing", "launch": "Launching"}


def asked(command: Command, attended: bool) -> Component:
    """How a price or launch command stands. `attended`: a controller is there to carry it out."""
    if command.state == "failed":
        title = f"{DOING[command.kind]} failed"
        return trouble(title, command.message or "the controller's log holds the reason")
    if command.state == "done":
        return _priced(command) if command.kind == "price" else _launched(command)
    if command.state == "waiting":
        words = "waits for the controller" if attended else "waits: no controller is there; frontier serve starts one"
        return html.P(f"{DOING[command.kind]} {words}.", className="quiet")
    return html.Div(
        [
            dmc.Progress(value=100 * command.share, size="sm", **{"aria-label": DOING[command.kind]}),
            html.P(f"{DOING[command.kind]}: {command.message or 'begun'}", className="quiet"),
        ]
    )


def _launched(command: Command) -> Component:
    job_id = str(command.result.get("job_id", ""))
    return dmc.Alert(
        ["Follow it at ", dcc.Link(job_id, href=overview_href(job_id))],
        title="The search is launched",
        color="teal",
        variant="light",
        className="notice",
    )


def _priced(command: Command) -> Component:
    found = command.result
    low, high = found.get("latency_low_ms"), found.get("latency_high_ms")
    note = str(found.get("latency_note") or "")
    pairs = [
        ("Architectures", space_size(found.get("count")), ""),
        ("Latency, predicted", f"{_range(low, high, latency)} ms" if known(low) else "not known yet", note),
        ("Parameters", _range(found.get("param_low"), found.get("param_high"), count), ""),
        *_against_limit(command, low, high),
    ]
    return html.Dl([_pair(*pair) for pair in pairs], className="facts facts-column")


def _range(low: Any, high: Any, text: Any) -> str:
    return f"{text(low)} to {text(high)}"


def _pair(term: str, value: str, note: str) -> Component:
    return html.Div([html.Dt(term), html.Dd(value), *([html.Dd(note, className="fact-note")] if note else [])])


def _against_limit(command: Command, low: Any, high: Any) -> list[tuple[str, str, str]]:
    """What the limit on latency leaves of the range."""
    job = yaml.safe_load(command.arguments["job_file"])
    most = job.get("constraints", {}).get("latency_ms", {}).get("max")
    if most is None or not known(low) or not known(high):
        return []
    if most < low:
        meaning = "below all that is predicted: no architecture meets it"
    else:
        meaning = "leaves a part of the space" if most < high else "above all that is predicted: it limits nothing"
    return [("Limit on latency", f"{latency(most)} ms", meaning)]
