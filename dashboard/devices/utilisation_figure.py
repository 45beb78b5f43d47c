"""Measured kernels of a device: the share of its roofline that each reaches, over its size, by family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..theme import FAMILY_COLOURS, LEGEND_ABOVE, MARGIN, say_nothing_yet

HEIGHT = 400
# The top of the axis as a power of ten, a little above the roofline.
HIGHEST = 2.1
SIZES = {"bytes": "bytes moved", "flops": "floating-point operations"}
# A family beyond the colours takes the first one again, with another symbol.
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross")


def utilisation_figure(kernels: pd.DataFrame, size: str) -> go.Figure:
    """Draw the rows of `roofline_share.with_share` over `size`, "bytes" or "flops", both axes logarithmic.

    A call of no such size has no place, and so has one whose time is lost in its spread.
    """
    figure = go.Figure(layout=_layout(size))
    drawn = kernels[(kernels[size] > 0) & (kernels["share"] > 0) & ~kernels["lost"]]
    if drawn.empty:
        say_nothing_yet(figure, "No kernel that could be timed has such a size")
        return figure
    figure.update_yaxes(range=[math.log10(0.7 * 100 * drawn["share"].min()), HIGHEST])
    families = tuple(sorted(kernels["family"].unique()))
    for family, rows in drawn.groupby("family", sort=True):
        figure.add_trace(_family(str(family), rows, size, families))
    return figure


def _family(family: str, rows: pd.DataFrame, size: str, families: Sequence[str]) -> go.Scattergl:
    place = families.index(family)
    return go.Scattergl(
        x=rows[size].to_numpy(),
        y=100 * rows["share"].to_numpy(),
        customdata=[
            [escape(op), escape(shapes), median]
            for op, shapes, median in zip(rows["op"], rows["shapes"], rows["median_us"], strict=True)
        ],
        mode="markers",
        marker={
            "color": FAMILY_COLOURS[place % len(FAMILY_COLOURS)],
            "symbol": SYMBOLS[place // len(FAMILY_COLOURS) % len(SYMBOLS)],
            "size": 7,
            "opacity": 0.7,
        },
        name=escape(family),
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]:.3~r} µs, %{y:.3~r} % of the roofline"
        "<extra>" + escape(family) + "</extra>",
    )


def utilisation_words(kernels: pd.DataFrame) -> str:
    """How many calls are drawn and why some are not."""
    lost = int(kernels["lost"].sum())
    if not lost:
        return "Every measured call is drawn that has such a size."
    return (
        f"{lost} of {len(kernels)} calls are over too soon for the clock: their time is within its spread. "
        "They are not drawn, and stand in the table."
    )


def _layout(size: str) -> dict[str, Any]:
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": MARGIN,
        "xaxis": {"title": {"text": SIZES[size]}, "type": "log", "exponentformat": "SI", "dtick": 1},
        "yaxis": {"title": {"text": "share of the roofline (%)"}, "type": "log", "tickvals": [0.1, 1, 10, 20, 50, 100]},
        "legend": LEGEND_ABOVE,
        "hovermode": "closest",
        "uirevision": size,
    }
