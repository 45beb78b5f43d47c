"""Where the latency of an architecture goes: one bar per layer or kernel, stacked by kernel family."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..theme import FAMILY_COLOURS, GREY

BAR = 20
FRAME = 64
TALL_BAR = 34
# An operator's name with its overload may be wider than half a phone: it is then broken in two lines.
LONGEST_LINE = 24


def families(breakdown: pd.DataFrame) -> tuple[str, ...]:
    """The kernel families of every phase, in the order that gives each its colour."""
    return tuple(sorted(breakdown["family"].unique()))


def breakdown_figure(rows: pd.DataFrame, every_family: Sequence[str], by: str = "layer") -> go.Figure:
    """Draw the breakdown of one phase: rows of (layer, op, family, calls, latency_ms, measured).

    `by` "layer", layers keep the order in which they come, the first on top; by "op", the longest kernel is on top.
    A kernel that was not measured by itself is hatched: its time is fitted. What is less than nothing, as a fixed part
    may be, stands left of zero. The legend is the page's, as it is the same for every phase.
    """
    bars = _bars(rows, by)
    figure = go.Figure(layout=_layout(bars))
    for (name, measured), group in rows.groupby(["family", "measured"], sort=True):
        family = str(name)
        sums = group.groupby(by, sort=False)["latency_ms"].sum().reindex(bars).fillna(0.0)
        figure.add_trace(
            go.Bar(
                y=[escape(bar) for bar in bars],
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


def _bars(rows: pd.DataFrame, by: str) -> list[str]:
    if by == "layer":
        return list(dict.fromkeys(rows["layer"]))
    return list(rows.groupby("op", sort=False)["latency_ms"].sum().sort_values(ascending=False, kind="stable").index)


def _label(name: str) -> str:
    """A name for the axis, a long one in two lines, broken behind the dot or underscore next to its middle."""
    breaks = [place + 1 for place, letter in enumerate(name[:-1]) if letter in "._"]
    if len(name) <= LONGEST_LINE or not breaks:
        return escape(name)
    middle = min(breaks, key=lambda place: abs(2 * place - len(name)))
    return f"{escape(name[:middle])}<br>{escape(name[middle:])}"


def colour(family: str, every_family: Sequence[str]) -> str:
    """The colour of a family among `every_family`; time that belongs to no kernel is grey."""
    kernels = [name for name in every_family if not is_gap(name)]
    return GREY if is_gap(family) else FAMILY_COLOURS[kernels.index(family) % len(FAMILY_COLOURS)]


def is_gap(family: str) -> bool:
    """Whether this is time between kernels, not in one."""
    return "gap" in family or "launch" in family


def _layout(bars: Sequence[str]) -> dict[str, Any]:
    labels = [_label(bar) for bar in bars]
    bar = TALL_BAR if any("<br>" in label for label in labels) else BAR
    names = {"tickmode": "array", "tickvals": [escape(bar) for bar in bars], "ticktext": labels}
    return {
        "template": "none",
        "height": FRAME + bar * len(bars),
        "margin": {"l": 40, "r": 16, "t": 12, "b": 48},
        "barmode": "relative",
        "bargap": 0.25,
        "xaxis": {"title": {"text": "predicted latency (ms)"}},
        "yaxis": {"autorange": "reversed", "type": "category", "ticks": "", "automargin": True, **names},
        "showlegend": False,
        "hovermode": "closest",
        "uirevision": "breakdown",
    }
