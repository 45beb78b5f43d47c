"""The roofline of an architecture: how fast its kernels compute, over how much they compute for each byte they move.

Source: the roofline model, Williams, Waterman and Patterson, Communications of the ACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...db import Roofs
from ..theme import GREY, LEGEND_ABOVE, MARGIN, say_nothing_yet
from .breakdown_figure import colour

HEIGHT = 420
GIGA = 1e9
COLUMNS = ("flops", "bytes")
# What takes less for a call is priced by a time within the noise of its measurement: a speed would say nothing.
LEAST_CALL_MS = 1e-3


def has_operations(breakdown: pd.DataFrame) -> bool:
    """Whether the ledger kept how much the kernels compute and move: those written before it did have neither."""
    return all(name in breakdown and breakdown[name].notna().any() for name in COLUMNS)


def placed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a place in a roofline, with `intensity` (FLOPs per byte), `gflops` and `gbytes` per second.

    What computes nothing has none, nor has what is over within `LEAST_CALL_MS`.
    """
    numbers = {name: pd.to_numeric(rows[name]).astype("Float64").astype(float) for name in COLUMNS}
    known = rows.assign(**numbers)
    known = known[(known["flops"] > 0) & (known["bytes"] > 0) & (known["latency_ms"] >= LEAST_CALL_MS * known["calls"])]
    seconds = known["latency_ms"] / 1e3
    return known.assign(
        intensity=known["flops"] / known["bytes"],
        gflops=known["flops"] / seconds / GIGA,
        gbytes=known["bytes"] / seconds / GIGA,
    )


def roofline_figure(rows: pd.DataFrame, every_family: Sequence[str], roofs: Roofs | None) -> go.Figure:
    """Draw the kernels of one phase by layer: rows of a breakdown that hold `flops` and `bytes`.

    A kernel whose time is fitted, not measured by itself, has an open symbol.
    """
    points = placed(rows)
    figure = go.Figure(layout=_layout())
    if points.empty:
        say_nothing_yet(figure, "No kernel of this phase computes anything")
        return figure
    if roofs is not None:
        figure.add_trace(_roof(points, roofs))
    for (name, measured), group in points.groupby(["family", "measured"], sort=True):
        figure.add_trace(_points(group, str(name), bool(measured), every_family))
    return figure


def roof_at(roofs: Roofs, intensity: float) -> float:
    """The most operations per second at an intensity (FLOPs per byte)."""
    return min(roofs.flops_per_second, intensity * roofs.bytes_per_second)


def _roof(points: pd.DataFrame, roofs: Roofs) -> go.Scatter:
    ridge = roofs.flops_per_second / roofs.bytes_per_second
    least, most = min(points["intensity"].min(), ridge) / 2, max(points["intensity"].max(), ridge) * 2
    x = np.array([least, ridge, most])
    return go.Scatter(
        x=x,
        y=[roof_at(roofs, at) / GIGA for at in x],
        mode="lines",
        name="fastest measured on this device",
        line={"color": GREY, "width": 2, "dash": "dash"},
        hovertemplate="%{y:.3~r} GFLOP/s at most<extra></extra>",
    )


def _points(group: pd.DataFrame, family: str, measured: bool, every_family: Sequence[str]) -> go.Scatter:
    words = [
        f"{escape(row['layer'])}, {escape(row['op'])}<br>{row['latency_ms']:.3g} ms" for row in group.to_dict("records")
    ]
    return go.Scatter(
        x=group["intensity"].to_numpy(float),
        y=group["gflops"].to_numpy(float),
        customdata=words,
        mode="markers",
        name=escape(family) + ("" if measured else ", fitted"),
        marker={
            "color": colour(family, every_family),
            "symbol": "circle" if measured else "circle-open",
            "size": 9,
            "line": {"width": 1.5 if not measured else 0},
        },
        hovertemplate="%{customdata}<br>%{x:.3~r} FLOP/byte<br>%{y:.3~r} GFLOP/s<extra></extra>",
    )


def _layout() -> dict[str, Any]:
    axis = {"type": "log", "tickformat": "~g", "dtick": 1}
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": MARGIN,
        "xaxis": {**axis, "title": {"text": "operational intensity (FLOPs per byte)"}},
        "yaxis": {**axis, "title": {"text": "speed (GFLOP/s)"}},
        "legend": LEGEND_ABOVE,
        "hovermode": "closest",
        "uirevision": "roofline",
    }
