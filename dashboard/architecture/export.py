"""Exporting an architecture: choose a format and weights, watch it being written, take it home; or the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from ...db import Evaluation
from ...errors import InputError
from ..access.access import Access
from ..access.downloads import href
from ..numbers import known, latency, moment
from ..reader import Unreadable
from ..site import Site
from ..trouble import trouble
from .export_formats import FORMATS, WEIGHTS, export_command
from .reading import ArchitectureReading, Exports, read_exports

POLL_MS = 2000
UNDER_WAY = ("waiting", "running")


def panel(reading: ArchitectureReading, access: Access) -> Component:
    """The panel; who may not export gets the command line alone."""
    return html.Section(
        [
            html.H2("Export"),
            _choices(reading.finetuned),
            html.P(FORMATS["pytorch"].words, id="architecture-export-words", className="quiet"),
            _button(access),
            html.Div(id="architecture-export-problem", role="status"),
            html.Div(listed(reading.exports, access.granted()), id="architecture-exports", **{"aria-live": "polite"}),
            html.P("The same from a command line:"),
            html.Div(command(reading.job.id, reading.digest), className="command", id="architecture-export-line"),
            dcc.Interval(id="architecture-export-clock", interval=POLL_MS, disabled=not under_way(reading.exports)),
        ],
        className="panel",
    )


def _choices(finetuned: Evaluation | None) -> Component:
    formats = [{"value": name, "label": found.label} for name, found in FORMATS.items()]
    there = [name for name in WEIGHTS if name != "finetuned" or (finetuned and finetuned.state == "complete")]
    weights = [{"value": name, "label": WEIGHTS[name]} for name in there]
    return html.Div(
        [
            dmc.Select(
                id="architecture-export-format", label="Format", data=formats, value="pytorch", allowDeselect=False
            ),
            dmc.Select(
                id="architecture-export-weights", label="Weights", data=weights, value="best", allowDeselect=False
            ),
        ],
        className="controls",
    )


def _button(access: Access) -> Component:
    """The button, or how to get one. The button is always there, so that its callback has something to listen to."""
    granted = access.granted()
    button = html.Div(dmc.Button("Export", id="architecture-export-start", size="sm"), hidden=not granted)
    if granted:
        return button
    way: list[Any] = ["To export from here, run ", html.Code("frontier serve"), " in place of the dashboard."]
    if access.offered:
        # A plain link: the page to log in at is not one of the app's.
        way = ["To export from here, ", html.A("log in", href="/login"), "."]
    return html.Div([button, html.P(way, className="quiet")])


def command(job_id: str, digest: str, export_format: str = "pytorch", weights: str = "best") -> list[Component]:
    """The command line with a button that copies it."""
    line = export_command(job_id, digest, export_format, weights)
    return [
        html.Pre(html.Code(_unbroken(line)), id="architecture-export"),
        dmc.CopyButton("Copy", value=line, copiedChildren="Copied", size="xs", variant="default"),
    ]


def _unbroken(line: str) -> list[Any]:
    """The command in words that wrap between each other only: a browser would break a line after a hyphen."""
    words = [html.Span(word, className="command-word") for word in line.split(" ")]
    return [part for word in words for part in (word, " ")][:-1]


def under_way(exports: Exports) -> bool:
    """Whether an export was asked for that has not ended."""
    return bool(exports.commands["state"].isin(UNDER_WAY).any())


def listed(exports: Exports, granted: bool) -> list[Component]:
    """What was asked for here, newest first, and what the ledger knows besides to have been written.

    Only who may export is given what was written.
    """
    commands = exports.commands.to_dict("records")
    asked = [_asked(row, exports.controllers, granted) for row in commands]
    named = {str(row["result"].get("folder")) for row in commands if row["state"] == "done"}
    others = [row for row in exports.written.to_dict("records") if _folder(row["path"]) not in named]
    items = [*asked, *(html.Li(_written(row)) for row in others)]
    return [html.Ul(items, className="exports")] if items else [html.P("Not exported yet.", className="quiet")]


def _folder(path: str) -> str:
    """The last part of a path, which any of this ledger's machines may have written."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _asked(row: Mapping[Any, Any], controllers: int, granted: bool) -> Component:
    given, state = row["arguments"], row["state"]
    title = f"{_label(given.get('format'))}, {WEIGHTS.get(given.get('weights'), '?').lower()} weights"
    parts: list[Any] = [
        html.Div([html.Span(title), html.Span(state, className=f"state state-{STATE_COLOURS[state]}")]),
        html.Span(f"asked for {moment(row['created_at'])} UTC", className="quiet"),
    ]
    if state == "done":
        parts.append(_download(row, granted))
    elif state == "failed":
        parts.append(html.P(html.Code(row["message"] or "no reason was given"), className="export-reason"))
    else:
        parts += _progress(row, controllers)
    return html.Li(parts)


STATE_COLOURS = {"waiting": "queued", "running": "running", "done": "done", "failed": "failed"}


def _label(export_format: Any) -> str:
    return FORMATS[export_format].label if export_format in FORMATS else str(export_format)


def _progress(row: Mapping[Any, Any], controllers: int) -> list[Component]:
    if row["state"] == "waiting" and not controllers:
        words = "No controller is there; it waits until one runs (frontier serve)."
        return [html.P(words, className="quiet")]
    doing = row["message"] or ("waits for a controller" if row["state"] == "waiting" else "begun")
    share = 100 * float(row["share"] or 0.0)
    bar = dmc.Progress(value=share, size="sm", **{"aria-label": f"Export, {share:.0f} % done"})
    return [bar, html.P(f"{doing}, {share:.0f}\u00a0%", className="quiet")]


def _download(row: Mapping[Any, Any], granted: bool) -> Component:
    found = row["result"]
    said = []
    if known(found.get("max_relative_difference")):
        said.append(f"reloaded, differs by {found['max_relative_difference']:.1e} at most")
    if known(found.get("measured_ms")):
        said.append(f"measured at {latency(found['measured_ms'])} ms")
    name = str(found.get("archive", "archive"))
    link = html.A(f"Download {name}", href=href(int(row["id"])), download=name, className="export-download")
    return html.Div([link if granted else html.Span(f"{name} (log in to download)"), html.P(", ".join(said))])


def _written(row: Mapping[Any, Any]) -> str:
    difference = row["max_relative_difference"]
    checked = f", greatest relative difference {difference:.1e}" if known(difference) else ""
    return f"{_label(row['format'])}, {WEIGHTS[row['weights']].lower()} weights: {row['path']}{checked}"


def asked_for(digest: Any, export_format: Any, weights: Any) -> dict[str, str]:
    """The arguments of an export command.

    Raises:
        InputError: a format or weights that there are none of.
    """
    if export_format not in tuple(FORMATS):
        raise InputError(f"format: one of {', '.join(FORMATS)}; got {export_format!r}")
    if weights not in tuple(WEIGHTS):
        raise InputError(f"weights: one of {', '.join(WEIGHTS)}; got {weights!r}")
    return {"digest": str(digest), "format": str(export_format), "weights": str(weights)}


def register(app: Dash, site: Site) -> None:
    """Say the command line that does what is chosen; ask for an export, and follow it."""

    @app.callback(
        Output("architecture-export-line", "children"),
        Output("architecture-export-words", "children"),
        Input("architecture-export-format", "value"),
        Input("architecture-export-weights", "value"),
        State("architecture-job", "data"),
        State("architecture-digest", "data"),
        prevent_initial_call=True,
    )
    def say(export_format: str, weights: str, job_id: str, digest: str) -> tuple[list[Component], str]:
        return command(job_id, digest, export_format, weights), FORMATS[export_format].words

    @app.callback(
        Output("architecture-exports", "children", allow_duplicate=True),
        Output("architecture-export-clock", "disabled", allow_duplicate=True),
        Output("architecture-export-problem", "children"),
        Input("architecture-export-start", "n_clicks"),
        State("architecture-export-format", "value"),
        State("architecture-export-weights", "value"),
        State("architecture-job", "data"),
        State("architecture-digest", "data"),
        prevent_initial_call=True,
    )
    def start(clicks: int | None, export_format: Any, weights: Any, job_id: str, digest: str) -> tuple[Any, ...]:
        if not clicks:
            return no_update, no_update, no_update
        try:
            arguments = asked_for(digest, export_format, weights)
            with site.changing() as ledger:
                ledger.add_command("export", arguments, job_id=job_id)
            exports = read_exports(site.reader, job_id, digest)
        except (InputError, Unreadable) as error:
            return no_update, no_update, trouble("Not exported", str(error))
        return listed(exports, granted=True), not under_way(exports), None

    @app.callback(
        Output("architecture-exports", "children"),
        Output("architecture-export-clock", "disabled"),
        Output("architecture-export-problem", "children", allow_duplicate=True),
        Input("architecture-export-clock", "n_intervals"),
        State("architecture-job", "data"),
        State("architecture-digest", "data"),
        prevent_initial_call=True,
    )
    def follow(_: int | None, job_id: str, digest: str) -> tuple[Any, ...]:
        try:
            exports = read_exports(site.reader, job_id, digest)
        except Unreadable as error:
            return no_update, no_update, trouble("The ledger can't be read right now", str(error))
        return listed(exports, site.access.granted()), not under_way(exports), None
