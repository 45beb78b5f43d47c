"""Where the parameters of an architecture are: one bar per layer, stacked by what they are for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..numbers import count as count_text
from ..theme import BLUE, GREEN, GREY, OCHRE
from .parameters import AROUND, CHANNEL, ENDS, ROLES, TOKEN, Part

BAR = 20
FRAME = 64
COLOURS = {ENDS: GREY, TOKEN: BLUE, CHANNEL: GREEN, AROUND: OCHRE}
# Two meanings never differ by colour alone.
PATTERNS = {ENDS: "", TOKEN: "", CHANNEL: "\\", AROUND: "x"}
THOUSAND = 1e3


def parameter_figure(found: Sequence[Part]) -> go.Figure:
    """Draw parts in the order they come, the first layer on top, in thousands. The legend is the page's."""
    layers = list(dict.fromkeys(part.layer for part in found))
    figure = go.Figure(layout=_layout(layers))
    for role in ROLES:
        sums = np.zeros(len(layers))
        for part in found:
            if part.role == role:
                sums[layers.index(part.layer)] += part.count
        if sums.any():
            figure.add_trace(
                go.Bar(
                    y=layers,
                    x=sums / THOUSAND,
                    customdata=[count_text(value) for value in sums],
                    orientation="h",
                    name=role,
                    marker={
                        "color": COLOURS[role],
                        "pattern": {"shape": PATTERNS[role], "solidity": 0.25},
                        "line": {"width": 0},
                    },
                    hovertemplate="%{y}<br>%{customdata} parameters<extra>" + role + "</extra>",
                )
            )
    return figure


def _layout(layers: Sequence[str]) -> dict[str, Any]:
    return {
        "template": "none",
        "height": FRAME + BAR * len(layers),
        "margin": {"l": 40, "r": 16, "t": 12, "b": 48},
        "barmode": "stack",
        "bargap": 0.25,
        "xaxis": {"title": {"text": "parameters (thousands)"}, "rangemode": "tozero"},
        "yaxis": {"autorange": "reversed", "type": "category", "ticks": "", "dtick": 1, "automargin": True},
        "showlegend": False,
        "hovermode": "closest",
        "uirevision": "parameters",
    }
