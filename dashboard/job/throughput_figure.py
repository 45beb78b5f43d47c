"""Evaluations a second, over the evaluations or over time."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..numbers import count, seconds, significant
from ..theme import GREEN, MARGIN, say_nothing_yet

HEIGHT = 220


def throughput_figure(rates: pd.DataFrame, over: str) -> go.Figure:
    """Draw the windows of `rates` (start_seq, seq, start, end, per_second) as steps.

    Args:
        over: "evaluations" or "time".
    """
    figure = go.Figure(layout=_layout(over))
    if rates.empty:
        say_nothing_yet(figure, "Too few evaluations to tell how fast they come")
        return figure
    speeds = rates["per_second"].to_numpy(dtype=float)
    if over == "time":
        xs, ys = [rates["start"].iloc[0], *rates["end"]], [speeds[0], *speeds]
    else:
        xs, ys = [rates["start_seq"].iloc[0], *rates["seq"]], [speeds[0], *speeds]
    at = "until %{x}" if over == "time" else "evaluation %{x}"
    figure.add_trace(
        go.Scatter(
            x=xs,
            y=ys,
            mode="lines",
            line={"color": GREEN, "width": 2, "shape": "vh"},
            fill="tozeroy",
            fillcolor="rgba(0, 158, 115, 0.15)",
            name="evaluations per second",
            hovertemplate=at + ": %{y:.3~r} per second<extra></extra>",
        )
    )
    return figure


def throughput_words(rates: pd.DataFrame) -> str:
    """The same in a sentence."""
    if rates.empty:
        return "Too few evaluations to tell how fast they come."
    lately, first = rates.iloc[-1], rates.iloc[0]
    taken = (lately["end"] - first["start"]).total_seconds()
    slowest = rates.iloc[rates["per_second"].argmin()]
    return (
        f"{significant(lately['per_second'])} evaluations per second lately; "
        f"{count(lately['seq'])} in {seconds(taken)} since the first were written. "
        f"Slowest before evaluation {count(slowest['seq'])}: {significant(slowest['per_second'])} per second."
    )


def _layout(over: str) -> dict[str, Any]:
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": MARGIN,
        "xaxis": {"title": {"text": "time (UTC)" if over == "time" else "evaluations"}}
        | ({"type": "date"} if over == "time" else {"rangemode": "tozero"}),
        "yaxis": {"title": {"text": "evaluations per second"}, "rangemode": "tozero"},
        "showlegend": False,
        "hovermode": "x",
        "uirevision": f"throughput {over}",
    }
