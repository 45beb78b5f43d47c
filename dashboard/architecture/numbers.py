"""The numbers at the top of an architecture's page, each with its unit and with what stands behind it."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from ...db import Evaluation
from ..caption import caption
from ..job.header import validation
from ..numbers import UNKNOWN, count, interval, known, latency, loss, loss_unit, mebibytes, percent
from .reading import ArchitectureReading


def numbers(reading: ArchitectureReading) -> Component:
    """Loss, latency and size."""
    inherited, tuned, best = reading.inherited, reading.finetuned, reading.best
    unit = loss_unit(reading.job.config)
    measured = next((e.latency_measured_ms for e in (tuned, inherited) if e and known(e.latency_measured_ms)), None)
    predicted = next((e for e in (inherited, tuned) if e and known(e.latency_ms)), best)
    device = caption(reading.job.config)
    pairs = [
        ("Validation loss, inherited weights", said_loss(inherited, unit)),
        ("Validation loss, fine-tuned", said_loss(tuned, unit) if tuned else "not fine-tuned"),
        ("Parameters", count(best.param_count)),
        ("Latency, predicted", _predicted(predicted), f"Predictor: {validation(reading.job.facts.get('validation'))}."),
        ("Latency, measured", f"{latency(measured)} ms" if known(measured) else "not measured", device),
        ("Peak memory, predicted", mebibytes(best.peak_memory_bytes)),
        *_reliability(predicted),
    ]
    return html.Dl([pair(*terms) for terms in pairs], className="facts facts-large")


def pair(term: str, value: str | Component, note: str = "") -> Component:
    """A term, what it is, and a line on where that comes from."""
    return html.Div([html.Dt(term), html.Dd(value), *([html.Dd(note, className="fact-note")] if note else [])])


def said_loss(evaluation: Evaluation | None, unit: str) -> str:
    """The loss of an evaluation with its unit, or why there is none."""
    if evaluation is None:
        return UNKNOWN
    if evaluation.state != "complete":
        return f"{evaluation.state}: {evaluation.reason}" if evaluation.reason else evaluation.state
    return f"{loss(evaluation.val_loss)} {unit}"


def _predicted(evaluation: Evaluation) -> str:
    if not known(evaluation.latency_ms):
        return "not predicted"
    return f"{interval(evaluation.latency_ms, evaluation.latency_low_ms, evaluation.latency_high_ms)} ms"


def _reliability(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    if not known(evaluation.measured_share):
        return []
    note = "Some of it lies outside of what was measured." if evaluation.extrapolates else ""
    return [("Rests on measured kernels", f"{percent(evaluation.measured_share)} of the predicted latency", note)]
