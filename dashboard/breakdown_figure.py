"""Where the latency of an architecture goes: one bar per layer, stacked by kernel family."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from .theme import FAMILY_COLOURS, GREY

BAR = 20
FRAME = 64


def families(breakdown: pd.DataFrame) -> tuple[str, ...]:
    """The kernel families of every phase, in the order that gives each its colour."""
    return tuple(sorted(breakdown["family"].unique()))


def breakdown_figure(rows: pd.DataFrame, every_family: Sequence[str]) -> go.Figure:
    """Draw the breakdown of one phase: rows of (layer, op, family, calls, latency_ms, measured).

    Layers keep the order in which they come, the first on top. A kernel that was not measured by itself is hatched: its
    time is fitted. The legend is the page's, as it is the same for every phase.
    """
    layers = list(dict.fromkeys(rows["layer"]))
    figure = go.Figure(layout=_layout(layers))
    for (name, measured), group in rows.groupby(["family", "measured"], sort=True):
        family = str(name)
        sums = group.groupby("layer", sort=False)["latency_ms"].sum().reindex(layers).fillna(0.0)
        figure.add_trace(
            go.Bar(
                y=[escape(layer) for layer in layers],
                x=sums.to_numpy(dtype=float),
                orientation="h",
                name=escape(family),
                marker={
                    "color": colour(family, every_family),
                    "pattern": {"shape": "" if measured else "/", "solidity": 0.35},
                    "line": {"width": 0},
                },
                hovertemplate="%{y}<br>%{x:.3~r} ms<extra>"
                + escape(family)
                + ("" if measured else ", fitted")
                + "</extra>",
            )
        )
    return figure


def colour(family: str, every_family: Sequence[str]) -> str:
    """The colour of a family among `every_family`; time that belongs to no kernel is grey."""
    kernels = [name for name in every_family if not _is_gap(name)]
    return GREY if _is_gap(family) else FAMILY_COLOURS[kernels.index(family) % len(FAMILY_COLOURS)]


def _is_gap(family: str) -> bool:
    return "gap" in family or "launch" in family


def _layout(layers: Sequence[str]) -> dict[str, Any]:
    return {
        "template": "none",
        "height": FRAME + BAR * len(layers),
        "margin": {"l": 40, "r": 16, "t": 12, "b": 48},
        "barmode": "stack",
        "bargap": 0.25,
        "xaxis": {"title": {"text": "predicted latency (ms)"}, "rangemode": "tozero"},
        "yaxis": {"autorange": "reversed", "type": "category", "ticks": "", "dtick": 1, "automargin": True},
        "showlegend": False,
        "hovermode": "closest",
        "uirevision": "breakdown",
    }
