"""The Pareto figure of the explorer, without its points: traces by name, their looks and their words.

The browser fills the traces (assets/explorer_figure.js) and draws the cloud beneath them (assets/explorer_cloud.js), as
it has the numbers and knows what is filtered. A circle is a predicted latency, a diamond a measured one.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from ..theme import FINALIST, FRONT, GREY, INDIGO, MUTED, OCHRE, TEAL

HEIGHT = 520
# From blue over grey to orange, all of middle lightness: they stand out from both backgrounds, and apart for the
# colour-blind.
COLOUR_SCALE = ("#2477c4", "#4a84bb", "#6789ac", "#7f8c9c", "#978a85", "#ac7f63", "#bf723f", "#d0640f")


def pareto_figure() -> go.Figure:
    """The empty figure: `meta` of each trace is the name by which the browser fills it."""
    figure = go.Figure(layout=_layout())
    # Traces without points stand in the legend for what WebGL draws.
    figure.add_trace(_markers("cloud", "evaluated", MUTED, "circle", 7))
    figure.add_trace(_markers("infeasible", "outside the job's limits", OCHRE, "circle", 7))
    figure.add_trace(_markers("front", "front, latency predicted", FRONT, "circle", 9))
    figure.add_trace(_markers("front_measured", "front, latency measured", FRONT, "diamond", 11))
    figure.add_trace(_line("over_line", INDIGO, "dash"))
    figure.add_trace(_markers("over", "front of the other job", INDIGO, "square-open", 9))
    figure.add_trace(_line("tuning", FINALIST, "dot"))
    figure.add_trace(_markers("tuned", "fine-tuned and measured", FINALIST, "diamond", 11))
    figure.add_trace(_markers("finalists", "finalists", FINALIST, "circle-open", 15, width=2))
    figure.add_trace(_markers("ticked", "to compare", GREY, "square-open", 17, width=2))
    figure.add_trace(_markers("picked", "picked for you", TEAL, "star-open", 21, width=2.5))
    return figure


def _markers(name: str, words: str, colour: str, symbol: str, size: int, width: float = 1) -> go.Scatter:
    line = {"width": width} if symbol.endswith("-open") else {"width": 0}
    return go.Scatter(
        x=[None],
        y=[None],
        mode="markers",
        meta=name,
        name=words,
        marker={"color": colour, "symbol": symbol, "size": size, "line": line},
        hoverinfo="none",
        showlegend=False,
    )


def _line(name: str, colour: str, dash: str) -> go.Scatter:
    return go.Scatter(
        x=[None],
        y=[None],
        mode="lines",
        meta=name,
        name=name.replace("_", " "),
        line={"color": colour, "width": 1, "dash": dash},
        hoverinfo="skip",
        showlegend=False,
    )


def _layout() -> dict[str, Any]:
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": {"l": 64, "r": 16, "t": 12, "b": 104},
        "xaxis": {},
        "yaxis": {},
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": -0.16,
            "yanchor": "top",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        "hovermode": False,
        "dragmode": "zoom",
    }
