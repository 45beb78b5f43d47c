"""The legend of kernel families, for figures that stack them."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from .breakdown_figure import colour


def family_legend(every_family: Sequence[str], fitted: bool = False) -> Component:
    """A mark and a name for each family; with `fitted`, what hatching means as well."""
    marks = [
        html.Li([html.Span(className="legend-mark", style={"background": colour(family, every_family)}), family])
        for family in every_family
    ]
    hatched = html.Li([html.Span(className="legend-mark legend-hatched"), "hatched: fitted, not measured by itself"])
    return html.Ul([*marks, *([hatched] if fitted else [])], className="legend")
