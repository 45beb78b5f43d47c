"""Where an architecture comes from: its job, its evaluations over fidelities, its stays on the front, other finders."""

from __future__ import annotations

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from ..job.tabs import architecture_href
from ..numbers import UNKNOWN, count, known, loss, loss_unit, moment, percent, seconds
from .numbers import pair
from .reading import ArchitectureReading

WEIGHTS = {"inherited": "Inherited weights", "finetuned": "Fine-tuned weights"}


def panel(reading: ArchitectureReading) -> Component:
    return html.Section([html.H2("Provenance"), provenance(reading), *_others(reading)], className="panel")


def provenance(reading: ArchitectureReading) -> Component:
    """Which job made it, when, by whom and from which weights."""
    rows = reading.rows.to_dict("records")
    config = reading.job.config
    algorithm = (config.get("search") or {}).get("algorithm")
    return html.Dl(
        [
            pair("Job", f"{reading.job.name} ({reading.job.id})"),
            pair("Seed", str(config.get("seed", UNKNOWN))),
            pair("Proposed by", str(algorithm or UNKNOWN), "The ledger keeps no parents of an architecture."),
            *(_evaluated(row, reading) for row in rows),
        ],
        className="facts facts-column",
    )


def _evaluated(row: dict[Any, Any], reading: ArchitectureReading) -> Component:
    return pair(f"{WEIGHTS[row['fidelity']]}, evaluation {count(row['seq'])}", _made(row, reading), _stay(row))


def _made(row: dict[Any, Any], reading: ArchitectureReading) -> str:
    parts = [f"{row['state']}, {moment(row['created_at'])} UTC"]
    if known(row["val_loss"]):
        parts.append(f"loss {loss(row['val_loss'])} {loss_unit(reading.job.config)}")
    if known(row["reason"]):
        parts.append(str(row["reason"]))
    if known(row["worker"]):
        parts.append(f"by {row['worker']}")
    if known(row["seconds"]):
        parts.append(f"in {seconds(row['seconds'])}")
    if known(row["attempts"]) and row["attempts"] > 1:
        parts.append(f"at the {count(row['attempts'])}. attempt")
    if known(row["seen_share"]):
        parts.append(f"after {percent(row['seen_share'])} of the validation data")
    if known(row["weights_path"]):
        parts.append(f"weights in {row['weights_path']}")
    return ", ".join(parts)


def _stay(row: dict[Any, Any]) -> str:
    if not known(row["entered_seq"]):
        return "Never on the front of its fidelity." if row["state"] == "complete" else ""
    since = f"On the front since evaluation {count(row['entered_seq'])}"
    return f"{since}, until evaluation {count(row['left_seq'])}." if known(row["left_seq"]) else f"{since}."


def _others(reading: ArchitectureReading) -> list[Component]:
    """Other jobs that evaluated the same architecture."""
    others = reading.finders[reading.finders["job_id"] != reading.job.id]
    if others.empty:
        return []
    items = [
        html.Li(
            [
                dcc.Link(row["name"], href=architecture_href(row["job_id"], reading.digest)),
                f", {WEIGHTS[row['fidelity']].lower()}: {row['state']}"
                + (f", loss {loss(row['val_loss'])}" if known(row["val_loss"]) else ""),
            ]
        )
        for row in others.to_dict("records")
    ]
    return [html.H3("Found by other jobs, too"), html.Ul(items)]
