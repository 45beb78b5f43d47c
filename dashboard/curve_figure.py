"""The supernet's training curve: the loss of its smallest and its largest subnet, against what needs no model."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from .numbers import known, loss
from .theme import BLUE, GREY, VERMILION, say_nothing_yet

HEIGHT = 300
LINES = (("smallest", VERMILION, "dot", "smallest subnet"), ("largest", BLUE, "solid", "largest subnet"))


def curve_figure(curve: pd.DataFrame, prior_nats: float | None, loss_unit: str) -> go.Figure:
    """Draw `curve` (step, subnet, loss_nats) over the training steps.

    `prior_nats` is the loss of always predicting how often each answer occurs in training; None draws no level.
    """
    figure = go.Figure(layout=_layout(loss_unit))
    for subnet, colour, dash, name in LINES:
        rows = curve[curve["subnet"] == subnet].sort_values("step")
        figure.add_trace(
            go.Scatter(
                x=rows["step"].to_numpy(),
                y=rows["loss_nats"].to_numpy(dtype=float),
                mode="lines" if len(rows) > 1 else "markers",
                line={"color": colour, "dash": dash, "width": 2},
                name=name,
                hovertemplate="step %{x}: %{y:.4f}<extra>" + name + "</extra>",
            )
        )
    if curve.empty:
        say_nothing_yet(figure, "No training step yet")
    if known(prior_nats) and len(curve):
        figure.add_trace(_level(float(prior_nats or 0.0), curve))
    return figure


def _level(prior_nats: float, curve: pd.DataFrame) -> go.Scatter:
    return go.Scatter(
        x=[curve["step"].min(), curve["step"].max()],
        y=[prior_nats, prior_nats],
        mode="lines",
        line={"color": GREY, "dash": "dash", "width": 1.5},
        name=f"prior level, {loss(prior_nats)}",
        hoverinfo="skip",
    )


def _layout(loss_unit: str) -> dict[str, Any]:
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": {"l": 64, "r": 16, "t": 12, "b": 52},
        "xaxis": {"title": {"text": "supernet training step"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": f"loss ({loss_unit})"}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "hovermode": "x",
        "uirevision": "curve",
    }
