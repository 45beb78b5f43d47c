"""One architecture: what it is, what it scores, what it costs and where, and the command that exports it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
import pandas as pd
from dash import Dash, dcc, html
from dash.development.base_component import Component

from ...db import Evaluation
from ...search_space import Architecture
from ..breakdown_figure import breakdown_figure, colour, families
from ..charts import chart
from ..diagram import diagram
from ..grids import Column, grid
from ..job_header import validation
from ..numbers import (
    UNKNOWN,
    count,
    interval,
    known,
    latency,
    loss,
    loss_unit,
    mebibytes,
    moment,
    percent,
    seconds,
    significant,
)
from ..page import Page
from ..pareto_figure import caption
from ..readings.architecture import ArchitectureReading, read_architecture
from ..site import Site
from . import jobs

ROUTE = re.compile(r"/job/(?P<job>[^/]+)/architecture/(?P<digest>[^/]+)/?")
COLUMNS = (
    Column("phase", "Phase", width=80),
    Column("layer", "Layer", width=190),
    Column("op", "Kernel", width=280),
    Column("family", "Family", width=110),
    Column("calls", "Calls", "number", 70),
    Column("latency_ms", "Latency (ms)", "number", 110),
    Column("share", "Share", "number", 80, "Share of the phase's latency"),
    Column("source", "Source", width=100, tooltip="Whether this kernel was measured by itself or its time is fitted"),
)


def open_page(site: Site, names: dict[str, str], search: str | None) -> Page:
    """The page of the architecture that the address names."""
    found = read_architecture(site.reader, names["job"], names["digest"])
    return Page(f"{found.best.digest[:8]}, {found.job.name}", layout(found))


def register(app: Dash, site: Site) -> None:
    """Nothing on this page moves by itself."""


def layout(reading: ArchitectureReading) -> Component:
    """The page of an architecture."""
    architecture = Architecture.from_json(reading.best.architecture)
    return html.Div(
        [
            html.P(["Job ", dcc.Link(reading.job.name, href=jobs.href(reading.job.id))], className="quiet"),
            html.H1(["Architecture ", html.Code(reading.best.digest)]),
            html.Div(numbers(reading), className="facts-place"),
            html.Div(
                [
                    html.Section([html.H2("Layers"), diagram(architecture)], className="panel"),
                    html.Div(
                        [
                            html.Section([html.H2("Export"), *_export(reading)], className="panel"),
                            html.Section([html.H2("Provenance"), provenance(reading)], className="panel"),
                        ]
                    ),
                ],
                className="beside",
            ),
            html.Section([html.H2("Latency by kernel"), *_latency(reading)], className="panel"),
        ]
    )


def numbers(reading: ArchitectureReading) -> Component:
    """Loss, latency and size, each with its unit and with what stands behind it."""
    inherited, tuned, best = reading.inherited, reading.finetuned, reading.best
    unit = loss_unit(reading.job.config)
    measured = next((e.latency_measured_ms for e in (tuned, inherited) if e and known(e.latency_measured_ms)), None)
    predicted = next((e for e in (inherited, tuned) if e and known(e.latency_ms)), best)
    device = caption(reading.job.config)
    pairs = [
        ("Validation loss, inherited weights", _loss(inherited, unit)),
        ("Validation loss, fine-tuned", _loss(tuned, unit) if tuned else "not fine-tuned"),
        ("Parameters", count(best.param_count)),
        ("Latency, predicted", _predicted(predicted), f"Predictor: {validation(reading.job.facts.get('validation'))}."),
        ("Latency, measured", f"{latency(measured)} ms" if known(measured) else "not measured", device),
        ("Peak memory, predicted", mebibytes(best.peak_memory_bytes)),
    ]
    return html.Dl([_pair(*pair) for pair in pairs], className="facts facts-large")


def _pair(term: str, value: str, note: str = "") -> Component:
    return html.Div([html.Dt(term), html.Dd(value), *([html.Dd(note, className="fact-note")] if note else [])])


def _loss(evaluation: Evaluation | None, unit: str) -> str:
    if evaluation is None:
        return UNKNOWN
    if evaluation.state != "complete":
        return f"{evaluation.state}: {evaluation.reason}" if evaluation.reason else evaluation.state
    return f"{loss(evaluation.val_loss)} {unit}"


def _predicted(evaluation: Evaluation) -> str:
    if not known(evaluation.latency_ms):
        return "not predicted"
    return f"{interval(evaluation.latency_ms, evaluation.latency_low_ms, evaluation.latency_high_ms)} ms"


def _latency(reading: ArchitectureReading) -> list[Component]:
    if reading.breakdown.empty:
        return [html.P("The ledger holds no breakdown of this architecture. One is kept for the front's members.")]
    every_family = families(reading.breakdown)
    fitted = not reading.breakdown["measured"].all()
    return [
        html.P(
            "Predicted time of each layer, stacked by kernel family."
            + (" Hatched: the kernel was not measured by itself, its time is fitted." if fitted else ""),
            className="quiet",
        ),
        _legend(every_family),
        html.Div(
            [_phase(str(phase), rows, every_family) for phase, rows in reading.breakdown.groupby("phase", sort=True)],
            className="phases",
        ),
        grid("architecture-kernels", COLUMNS, kernel_rows(reading.breakdown), "id"),
    ]


def _phase(phase: str, rows: pd.DataFrame, every_family: Sequence[str]) -> Component:
    label = f"Latency of each layer in {phase}; the table below holds the same numbers"
    figure = breakdown_figure(rows, every_family)
    return html.Div(
        [
            html.H3(f"{phase.capitalize()}: {latency(rows['latency_ms'].sum())} ms"),
            chart(f"architecture-latency-{phase}", figure, label),
        ]
    )


def _legend(every_family: Sequence[str]) -> Component:
    return html.Ul(
        [
            html.Li([html.Span(className="legend-mark", style={"background": colour(family, every_family)}), family])
            for family in every_family
        ],
        className="legend",
    )


def kernel_rows(breakdown: pd.DataFrame) -> list[dict[str, Any]]:
    """The breakdown as a table, in the order of the model."""
    whole = breakdown.groupby("phase")["latency_ms"].sum().to_dict()
    return [_kernel_row(place, row, whole[row["phase"]]) for place, row in enumerate(breakdown.to_dict("records"))]


def _kernel_row(place: int, row: dict[Any, Any], whole: float) -> dict[str, Any]:
    share = row["latency_ms"] / whole if whole else None
    return {
        "id": str(place),
        **{field: row[field] for field in ("phase", "layer", "op", "family", "calls", "latency_ms")},
        "calls_text": count(row["calls"]),
        "latency_ms_text": significant(row["latency_ms"]),
        "share": share,
        "share_text": percent(share),
        "source": "measured" if row["measured"] else "fitted",
    }


def _export(reading: ArchitectureReading) -> list[Component]:
    command = export_command(reading.job.id, reading.best.digest)
    done = reading.exports.to_dict("records")
    return [
        html.P("As a folder of plain PyTorch that needs nothing of ours:"),
        html.Div(
            [
                html.Pre(html.Code(_unbroken(command)), id="architecture-export"),
                dmc.CopyButton("Copy", value=command, copiedChildren="Copied", size="xs", variant="default"),
            ],
            className="command",
        ),
        html.Ul([html.Li(_exported(row)) for row in done]) if done else html.P("Not exported yet.", className="quiet"),
    ]


def export_command(job_id: str, digest: str) -> str:
    """The command line that exports an architecture."""
    out = shlex.quote(f"exports/{digest}")
    return f"frontier export {shlex.quote(job_id)} {shlex.quote(digest)} --format pytorch --out {out}"


def _unbroken(command: str) -> list[Any]:
    """The command in words that wrap between each other only: a browser would break a line after a hyphen."""
    words = [html.Span(word, className="command-word") for word in command.split(" ")]
    return [part for word in words for part in (word, " ")][:-1]


def _exported(row: dict[Any, Any]) -> str:
    difference = row["max_relative_difference"]
    checked = f", greatest relative difference {difference:.1e}" if known(difference) else ""
    return f"{row['format']}, {row['weights']} weights: {row['path']}{checked}"


def provenance(reading: ArchitectureReading) -> Component:
    """Which job made it, when, by whom and from which weights."""
    rows = reading.rows.sort_values("seq").to_dict("records")
    return html.Dl(
        [
            _pair("Job", f"{reading.job.name} ({reading.job.id})"),
            _pair("Seed", str(reading.job.config.get("seed", UNKNOWN))),
            *(_pair(f"{WEIGHTS[row['fidelity']]}, evaluation {row['seq']}", _made(row)) for row in rows),
        ],
        className="facts facts-column",
    )


WEIGHTS = {"inherited": "Inherited weights", "finetuned": "Fine-tuned weights"}


def _made(row: dict[Any, Any]) -> str:
    parts = [f"{row['state']}, {moment(row['created_at'])} UTC"]
    if known(row["worker"]):
        parts.append(f"by {row['worker']}")
    if known(row["seconds"]):
        parts.append(f"in {seconds(row['seconds'])}")
    if known(row["weights_path"]):
        parts.append(f"weights in {row['weights_path']}")
    return ", ".join(parts)
