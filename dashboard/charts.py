"""A figure on a page: the server sends it without ink, the browser adds the template of the scheme in force."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from dash import MATCH, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
}


def figure_id(name: str) -> dict[str, str]:
    """Where a callback puts the figure called `name`; the name starts with its page's."""
    return {"type": "figure", "name": name}


def graph_id(name: str) -> dict[str, str]:
    """The graph that draws the figure called `name`, whose clicks a callback may want."""
    return {"type": "graph", "name": name}


def chart(name: str, figure: go.Figure, label: str) -> Component:
    """A figure with a place of its own; `label` is what a screen reader says instead of it."""
    height = figure.layout.height
    return html.Div(
        [
            dcc.Store(id=figure_id(name), data=plain(figure)),
            dcc.Graph(id=graph_id(name), figure={}, config=CONFIG, style={"height": f"{height}px"}),
        ],
        id=name,
        className="chart",
        role="group",
        **{"aria-label": label},
    )


def plain(figure: go.Figure) -> dict[str, Any]:
    """The figure as JSON carries it: arrays as typed binary, about a third of the size of their decimals."""
    return dict(figure.to_plotly_json())


def register(app: Dash) -> None:
    """Draw every chart, again when its figure or the system's colour scheme changes.

    A reader's zoom is carried over by hand while `uirevision` stays: Dash 4.4 writes it into the figure it has drawn,
    after which plotly no longer counts it as the reader's and drops it with the next figure. Hidden traces plotly keeps
    by itself.
    """
    app.clientside_callback(
        """(figure, scheme, templates, drawn) => {
            if (!figure || !scheme) { return window.dash_clientside.no_update; }
            const layout = {...figure.layout, template: templates[scheme]};
            const before = (drawn && drawn.layout) || {};
            for (const axis of before.uirevision === layout.uirevision ? ["xaxis", "yaxis"] : []) {
                if (before[axis] && before[axis].autorange === false) {
                    layout[axis] = {...layout[axis], range: before[axis].range, autorange: false};
                }
            }
            return {...figure, layout};
        }""",
        Output(graph_id(MATCH), "figure"),  # type: ignore[arg-type]
        Input(figure_id(MATCH), "data"),  # type: ignore[arg-type]
        Input("shell-scheme", "data"),
        State("shell-templates", "data"),
        State(graph_id(MATCH), "figure"),  # type: ignore[arg-type]
    )
