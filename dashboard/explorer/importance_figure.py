"""How much each choice has to do with each objective: a bar per choice and objective."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..theme import BLUE, GREEN, LEGEND_ABOVE, PURPLE, VERMILION, say_nothing_yet
from .explored import EXPLORED

# For ten choices over two objectives; a place on a page keeps its height.
HEIGHT = 440
# Told apart by pattern as well as by colour.
LOOKS = ((BLUE, ""), (VERMILION, "/"), (GREEN, "."), (PURPLE, "x"))


def importance_figure(shares: pd.DataFrame) -> go.Figure:
    """Draw `shares` (choice, then a column in 0..1 per objective), the greatest on top."""
    objectives = [str(name) for name in shares if name != "choice"]
    figure = go.Figure(layout=_layout())
    if shares.empty:
        say_nothing_yet(figure, "Not known yet")
    for (colour, pattern), objective in zip(LOOKS, objectives, strict=False):
        label = EXPLORED[objective].label
        figure.add_trace(
            go.Bar(
                y=[escape(name) for name in shares["choice"]],
                x=100 * shares[objective].to_numpy(dtype=float),
                orientation="h",
                name=label,
                marker={"color": colour, "pattern": {"shape": pattern, "solidity": 0.35}, "line": {"width": 0}},
                hovertemplate=f"%{{y}}<br>%{{x:.0f}} % of the ranking<extra>{label}</extra>",
            )
        )
    return figure


def _layout() -> dict[str, Any]:
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": {"l": 40, "r": 16, "t": 36, "b": 52},
        "bargap": 0.3,
        "xaxis": {"title": {"text": "share of the ranking (%)"}, "range": [0, 100]},
        "yaxis": {"autorange": "reversed", "type": "category", "ticks": "", "dtick": 1, "automargin": True},
        "legend": LEGEND_ABOVE,
        "hovermode": "closest",
        "uirevision": "importance",
    }
