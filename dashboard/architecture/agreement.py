"""Predicted against measured latency of an architecture, with the job's other measured models around it."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from ..caption import caption
from ..charts import chart
from ..grids import Column, grid
from ..job.tabs import architecture_href
from ..numbers import count, interval, known, latency, percent
from .agreement_figure import agreement_figure, errors, within
from .reading import ArchitectureReading

NONE_MEASURED = "No architecture of this job was measured. Finalists are, where the job runs on the device itself."
COLUMNS = (
    Column("digest_short", "Architecture", "link", 150, pinned=True),
    Column("predicted", "Predicted (ms)", "number", 190, "Predicted latency with its interval"),
    Column("measured", "Measured (ms)", "number", 130),
    Column("error", "Off by", "number", 100, "Predicted less measured, as a share of measured"),
)


def panel(reading: ArchitectureReading) -> Component:
    """The figure with its table, or what stands instead where nothing was measured."""
    measured = reading.measured
    title = html.H2("Predicted against measured")
    if measured.empty:
        return html.Section([title, html.P(NONE_MEASURED)], className="panel")
    label = "Predicted against measured latency of the job's finalists; the table below has the same numbers"
    return html.Section(
        [
            title,
            html.P(words(reading), className="quiet"),
            chart("architecture-agreement", agreement_figure(measured, reading.digest), label),
            grid("architecture-measured", COLUMNS, rows(reading), "href"),
        ],
        className="panel",
    )


def words(reading: ArchitectureReading) -> str:
    """How far off the prediction is here and for the others, in sentences."""
    measured = reading.measured
    own = measured[measured["digest"] == reading.digest]
    device = caption(reading.job.config)
    parts = [f"Latency: {device}."] if device else []
    if len(own):
        error = float(errors(own).iloc[0])
        inside = "inside" if within(own) else "outside of"
        parts.append(f"The prediction is {said_error(error)}; the measurement lies {inside} its interval.")
    else:
        parts.append(f"This architecture was not measured; its prediction is {_prediction(reading)}.")
    mean = float(errors(measured).abs().mean())
    everybody = f"Of {count(len(measured))} measured finalists {count(within(measured))} lie in their interval"
    parts.append(f"{everybody}; predictions are off by {percent(mean)} on average.")
    return " ".join(parts)


def said_error(error: float) -> str:
    """`4.0 % too slow`."""
    return f"{percent(abs(error))} too {'slow' if error > 0 else 'fast'}"


def _prediction(reading: ArchitectureReading) -> str:
    best = reading.best
    if not known(best.latency_ms):
        return "not known either"
    return f"{interval(best.latency_ms, best.latency_low_ms, best.latency_high_ms)} ms"


def rows(reading: ArchitectureReading) -> list[dict[str, object]]:
    """The measured models as a table."""
    return [
        {
            "href": architecture_href(reading.job.id, row["digest"]),
            "digest_short": row["digest"][:8] + (" (this)" if row["digest"] == reading.digest else ""),
            "predicted": row["latency_ms"],
            "predicted_text": interval(row["latency_ms"], row["latency_low_ms"], row["latency_high_ms"]),
            "measured": row["latency_measured_ms"],
            "measured_text": latency(row["latency_measured_ms"]),
            "error": error,
            "error_text": f"{'+' if error > 0 else '−'}{percent(abs(error))}",
        }
        for row, error in zip(reading.measured.to_dict("records"), errors(reading.measured).tolist(), strict=True)
    ]
