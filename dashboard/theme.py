"""Colours and figure templates of the dashboard, for light and dark.

Data colours are middle tones that stand out from both backgrounds (contrast 3:1 or more) and that colour-blind readers
can tell apart; where two meanings meet, a symbol or a dash pattern tells them apart as well. Text, grid and background
follow the system's setting: the browser puts one of the two templates into each figure it draws.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

# Okabe and Ito's palette (Color Universal Design, 2008), shifted to tones that hold on white and on near-black.
BLUE = "#3A86C8"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#C46AA0"
OCHRE = "#A6761D"
INDIGO = "#7570D6"
TEAL = "#2A9DA8"
OLIVE = "#8F9400"
WINE = "#BE5163"
GREY = "#8A8F98"

FRONT = BLUE
FINALIST = VERMILION
MUTED = GREY

# Kernel families take these in the order of their names; grey is kept for time between kernels.
FAMILY_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, OCHRE, INDIGO, TEAL, OLIVE, WINE)

# Room for the titles of both axes, and a legend in a row above the figure.
MARGIN = {"l": 64, "r": 16, "t": 12, "b": 52}
LEGEND_ABOVE = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}

FONT = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"


def templates() -> dict[str, dict[str, Any]]:
    """The plotly template of each colour scheme: "light" and "dark"."""
    return {
        "light": _template(text="#343a40", grid="#e9ecef", line="#adb5bd", hover="#ffffff"),
        "dark": _template(text="#c9c9c9", grid="#343434", line="#5c5c5c", hover="#2e2e2e"),
    }


def say_nothing_yet(figure: go.Figure, words: str) -> None:
    """Make a figure without data say so, in place of axes that would run from nowhere to nowhere."""
    figure.add_annotation(text=words, showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)


def _template(text: str, grid: str, line: str, hover: str) -> dict[str, Any]:
    axis = {
        "gridcolor": grid,
        "zeroline": False,
        "linecolor": line,
        "showline": True,
        "ticks": "outside",
        "tickcolor": line,
        "ticklen": 4,
        "title": {"font": {"size": 13}, "standoff": 10},
    }
    return {
        "layout": {
            "font": {"family": FONT, "size": 12, "color": text},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"bgcolor": hover, "bordercolor": line, "font": {"family": FONT, "color": text}},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": line, "activecolor": text},
        }
    }


INDEX = """<!DOCTYPE html>
<html lang="en">
    <head>
        {%metas%}
        <meta name="color-scheme" content="light dark">
        <title>{%title%}</title>
        <link rel="icon" type="image/svg+xml" href="/assets/icon.svg">
        {%css%}
    </head>
    <body>
        <noscript><p>This dashboard draws in the browser and needs JavaScript. The same figures, without it:
        <code>frontier jobs</code>, <code>frontier front JOB</code>.</p></noscript>
        {%app_entry%}
        <footer>{%config%}{%scripts%}{%renderer%}</footer>
    </body>
</html>
"""
