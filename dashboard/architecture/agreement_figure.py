"""Predicted against measured latency: the job's finalists, and where this architecture stands among them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..theme import FINALIST, GREY, LEGEND_ABOVE, MARGIN, MUTED, say_nothing_yet

HEIGHT = 360
AROUND = 0.08


def agreement_figure(measured: pd.DataFrame, digest: str) -> go.Figure:
    """Draw measured models: rows of (digest, latency_ms, latency_low_ms, latency_high_ms, latency_measured_ms).

    On the dashed line prediction and measurement agree; bars are the prediction's interval. The architecture `digest`
    has a symbol of its own where it is among them.
    """
    figure = go.Figure(layout=_layout(measured))
    if measured.empty:
        say_nothing_yet(figure, "No architecture of this job was measured")
        return figure
    low, high = _range(measured)
    figure.add_trace(
        go.Scatter(
            x=[low, high],
            y=[low, high],
            mode="lines",
            name="equal",
            line={"color": GREY, "width": 1.5, "dash": "dash"},
            hoverinfo="skip",
        )
    )
    own = measured["digest"] == digest
    for rows, name, colour, symbol in (
        (measured[~own], "other finalists", MUTED, "circle"),
        (measured[own], "this architecture", FINALIST, "diamond"),
    ):
        if len(rows):
            figure.add_trace(_models(rows, name, colour, symbol))
    return figure


def errors(measured: pd.DataFrame) -> pd.Series:
    """How far each prediction was off, as a fraction of what was measured: positive where it was too slow."""
    return measured["latency_ms"] / measured["latency_measured_ms"] - 1


def within(measured: pd.DataFrame) -> int:
    """How many measurements lie in the interval of their prediction."""
    found = measured["latency_measured_ms"].between(measured["latency_low_ms"], measured["latency_high_ms"])
    return int(found.sum())


def _models(rows: pd.DataFrame, name: str, colour: str, symbol: str) -> go.Scatter:
    predicted = rows["latency_ms"].to_numpy(float)
    return go.Scatter(
        x=rows["latency_measured_ms"].to_numpy(float),
        y=predicted,
        customdata=rows["digest"].tolist(),
        mode="markers",
        name=name,
        marker={"color": colour, "symbol": symbol, "size": 11 if symbol == "diamond" else 8},
        error_y={
            "type": "data",
            "array": np.nan_to_num(rows["latency_high_ms"].to_numpy(float) - predicted).clip(min=0),
            "arrayminus": np.nan_to_num(predicted - rows["latency_low_ms"].to_numpy(float)).clip(min=0),
            "color": colour,
            "thickness": 1,
            "width": 3,
        },
        hovertemplate="%{customdata}<br>predicted %{y:.3~r} ms<br>measured %{x:.3~r} ms<extra></extra>",
    )


def _range(measured: pd.DataFrame) -> tuple[float, float]:
    """From the least to the most of what is drawn, and a little more."""
    names = ["latency_ms", "latency_low_ms", "latency_high_ms", "latency_measured_ms"]
    low, high = np.nanmin(measured[names].to_numpy(float)), np.nanmax(measured[names].to_numpy(float))
    edge = AROUND * (high - low or high)
    return max(0.0, low - edge), high + edge


def _layout(measured: pd.DataFrame) -> dict[str, Any]:
    axis: dict[str, Any] = {} if measured.empty else {"range": _range(measured)}
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": MARGIN,
        "xaxis": {**axis, "title": {"text": "measured latency (ms)"}},
        "yaxis": {**axis, "title": {"text": "predicted latency (ms)"}},
        "legend": LEGEND_ABOVE,
        "hovermode": "closest",
        "uirevision": "agreement",
    }
