"""The supernet's training curve: the loss of its smallest and its largest subnet, against what needs no model."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..numbers import count, known, loss, seconds
from ..theme import BLUE, GREY, LEGEND_ABOVE, MARGIN, VERMILION, say_nothing_yet

HEIGHT = 300
LINES = (("smallest", VERMILION, "dot", "smallest subnet"), ("largest", BLUE, "solid", "largest subnet"))

AXES = {"step": "supernet training step", "seconds": "time since training began (s)"}
HOVER = {"step": "step %{x}", "seconds": "%{x:.3~s} s"}


def curve_figure(curve: pd.DataFrame, prior_nats: float | None, loss_unit: str, over: str = "evaluations") -> go.Figure:
    """Draw `curve` (step, subnet, loss_nats, seconds) over the training steps or, `over` "time", over the seconds.

    `prior_nats` is the loss of always predicting how often each answer occurs in training; None draws no level.
    """
    axis = "seconds" if over == "time" else "step"
    figure = go.Figure(layout=_layout(loss_unit, axis))
    for subnet, colour, dash, name in LINES:
        rows = curve[curve["subnet"] == subnet].sort_values("step")
        figure.add_trace(
            go.Scatter(
                x=rows[axis].to_numpy(),
                y=rows["loss_nats"].to_numpy(dtype=float),
                mode="lines" if len(rows) > 1 else "markers",
                line={"color": colour, "dash": dash, "width": 2},
                name=name,
                hovertemplate=HOVER[axis] + ": %{y:.4f}<extra>" + name + "</extra>",
            )
        )
    if curve.empty:
        say_nothing_yet(figure, "No training step yet")
    if known(prior_nats) and len(curve):
        figure.add_trace(_level(float(prior_nats or 0.0), curve[axis]))
    return figure


def curve_words(curve: pd.DataFrame, prior_nats: float | None, loss_unit: str) -> str:
    """The last point of the curve in a sentence, and how long it took to get there."""
    if curve.empty:
        return "No training step yet."
    last = curve[curve["step"] == curve["step"].max()]
    losses = ", ".join(f"{row['subnet']} subnet {loss(row['loss_nats'])}" for row in last.to_dict("records"))
    prior = f"; the prior level is {loss(prior_nats)}" if known(prior_nats) else ""
    reached = f"{count(last['step'].iloc[0])} steps and {seconds(last['seconds'].iloc[0])}"
    return f"After {reached}: {losses} {loss_unit}{prior}."


def _level(prior_nats: float, places: pd.Series[float]) -> go.Scatter:
    return go.Scatter(
        x=[places.min(), places.max()],
        y=[prior_nats, prior_nats],
        mode="lines",
        line={"color": GREY, "dash": "dash", "width": 1.5},
        name=f"prior level, {loss(prior_nats)}",
        hoverinfo="skip",
    )


def _layout(loss_unit: str, axis: str) -> dict[str, Any]:
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": MARGIN,
        "xaxis": {"title": {"text": AXES[axis]}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": f"loss ({loss_unit})"}},
        "legend": LEGEND_ABOVE,
        "hovermode": "x",
        "uirevision": f"curve {axis}",
    }
