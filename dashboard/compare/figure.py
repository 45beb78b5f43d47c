"""The latency of several architectures side by side: a bar each, stacked by kernel family, phase below phase."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..architecture.breakdown_figure import colour

BAR = 34
TITLE = 72
FRAME = 16


def sums_by_family(breakdowns: Sequence[pd.DataFrame], phase: str) -> pd.DataFrame:
    """Milliseconds of each family (rows) in each architecture (columns, by place); NaN where nothing was kept."""
    columns = {
        place: rows[rows["phase"] == phase].groupby("family")["latency_ms"].sum()
        for place, rows in enumerate(breakdowns)
    }
    table = pd.DataFrame(columns).sort_index()
    for place, rows in enumerate(breakdowns):
        if (rows["phase"] == phase).any():
            table[place] = table[place].fillna(0.0)
    return table


def compare_figure(
    breakdowns: Sequence[pd.DataFrame], labels: Sequence[str], phases: Sequence[str], every_family: Sequence[str]
) -> go.Figure:
    """Draw one breakdown per label. Every phase has an axis of its own, as one token takes a fraction of a prompt."""
    figure = go.Figure(layout=_layout(phases, len(labels)))
    for number, phase in enumerate(phases, 1):
        table = sums_by_family(breakdowns, phase)
        axis = "" if number == 1 else str(number)
        for family in table.index:
            figure.add_trace(
                go.Bar(
                    y=[escape(label) for label in labels],
                    x=table.loc[family].fillna(0.0).to_numpy(float),
                    orientation="h",
                    name=escape(family),
                    xaxis=f"x{axis}",
                    yaxis=f"y{axis}",
                    marker={"color": colour(family, every_family), "line": {"width": 0}},
                    hovertemplate="%{y}<br>%{x:.3~r} ms<extra>" + escape(family) + "</extra>",
                )
            )
    return figure


def _layout(phases: Sequence[str], bars: int) -> dict[str, Any]:
    """Axes below each other, each as high as its bars, with room for its title."""
    each = BAR * bars + TITLE
    whole = max(1, len(phases)) * each
    layout: dict[str, Any] = {
        "template": "none",
        "height": whole + FRAME,
        "margin": {"l": 40, "r": 16, "t": 8, "b": 8},
        "barmode": "relative",
        "bargap": 0.3,
        "showlegend": False,
        "hovermode": "closest",
        "uirevision": "compare",
    }
    for number, phase in enumerate(phases, 1):
        axis = "" if number == 1 else str(number)
        top = 1 - (number - 1) * each / whole
        title = {"text": f"{phase} latency (ms), predicted"}
        layout[f"xaxis{axis}"] = {"title": title, "anchor": f"y{axis}"}
        layout[f"yaxis{axis}"] = {
            "anchor": f"x{axis}",
            "domain": [top - BAR * bars / whole, top],
            "autorange": "reversed",
            "type": "category",
            "ticks": "",
            "automargin": True,
        }
    return layout
