"""Predicted against measured latency of whole architectures that the prediction had not seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..numbers import count, known, percent
from ..theme import BLUE, GREY, LEGEND_ABOVE, MARGIN, say_nothing_yet

HEIGHT = 420
ROOM = 1.06


def validation_figure(pairs: list[dict[str, Any]], floor: float | None) -> go.Figure:
    """Draw the pairs of a validation (digest, predicted_ms, low_ms, high_ms, measured_ms) with their intervals.

    On the line a prediction is exact. `floor`, the mean error of measuring again as a fraction, is the band around it.
    """
    figure = go.Figure(layout=_layout())
    if not pairs:
        say_nothing_yet(figure, "The pairs of this check were not kept")
        return figure
    frame = pd.DataFrame(pairs)
    end = ROOM * float(np.nanmax(frame[["predicted_ms", "measured_ms"]].to_numpy(dtype=float)))
    if known(floor):
        figure.add_trace(_band(end, float(floor or 0.0)))
    figure.add_trace(_line(end))
    figure.add_trace(_points(frame))
    figure.update_xaxes(range=[0, end])
    figure.update_yaxes(range=[0, end])
    return figure


def _points(frame: pd.DataFrame) -> go.Scatter:
    predicted = frame["predicted_ms"].to_numpy(dtype=float)
    points = go.Scatter(
        x=frame["measured_ms"].to_numpy(dtype=float),
        y=predicted,
        customdata=frame["digest"].tolist(),
        mode="markers",
        marker={"color": BLUE, "size": 8},
        name="architecture",
        hovertemplate="%{customdata}<br>measured %{x:.3~r} ms<br>predicted %{y:.3~r} ms<extra></extra>",
    )
    if {"low_ms", "high_ms"} <= set(frame):
        points.error_y = {
            "type": "data",
            "array": np.maximum(frame["high_ms"].to_numpy(dtype=float) - predicted, 0),
            "arrayminus": np.maximum(predicted - frame["low_ms"].to_numpy(dtype=float), 0),
            "color": BLUE,
            "thickness": 1,
            "width": 3,
        }
    return points


def _line(end: float) -> go.Scatter:
    return go.Scatter(
        x=[0, end], y=[0, end], mode="lines", line={"color": GREY, "dash": "dash"}, hoverinfo="skip", name="exact"
    )


def _band(end: float, floor: float) -> go.Scatter:
    return go.Scatter(
        x=[0, end, end, 0],
        y=[0, end * (1 + floor), end * (1 - floor), 0],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor="rgba(138, 143, 152, 0.25)",
        hoverinfo="skip",
        name=f"error of measuring again, ± {percent(floor)}",
    )


def validation_words(validation: dict[str, Any]) -> str:
    """A row of `Ledger.validations` in a sentence."""
    told = (
        ("off by {} on average", "mape"),
        ("by {} in the middle", "median_ape"),
        ("{} within 10 %", "within_10"),
        ("measuring again is off by {}", "floor_mape"),
    )
    parts = [words.format(percent(validation[name])) for words, name in told if known(validation[name])]
    if known(validation["kendall_tau"]):
        parts.append(f"Kendall tau {validation['kendall_tau']:.2f}")
    figures = "; ".join(parts) if parts else "no figure was kept"
    return f"{count(validation['count'])} held-out architectures of {workload(validation)}: {figures}."


def workload(validation: Mapping[Any, Any]) -> str:
    """What was run: `tiny-lm, decode, batch 1, 256 tokens`."""
    tokens = f"{count(validation['seq_len'])} tokens"
    return f"{validation['space']}, {validation['phase']}, batch {validation['batch']}, {tokens}"


def _layout() -> dict[str, Any]:
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": MARGIN,
        "xaxis": {"title": {"text": "measured latency (ms)"}},
        "yaxis": {"title": {"text": "predicted latency (ms)"}},
        "legend": LEGEND_ABOVE,
        "hovermode": "closest",
        "uirevision": "validation",
    }
