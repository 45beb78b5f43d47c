"""Short tables that nobody sorts: plain markup, read by every browser and every screen reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from dash import html
from dash.development.base_component import Component

Cell: TypeAlias = str | Component


def plain_table(label: str, headings: Sequence[str], rows: Sequence[Sequence[Cell]], numbers: int = 0) -> Component:
    """A table whose last `numbers` columns are right-aligned; it scrolls by itself where the screen is narrow."""
    kinds = [""] * (len(headings) - numbers) + ["number"] * numbers
    head = [html.Th(heading, scope="col", className=kind) for heading, kind in zip(headings, kinds, strict=True)]
    body = [html.Tr([html.Td(cell, className=kind) for cell, kind in zip(row, kinds, strict=True)]) for row in rows]
    return html.Div(
        html.Table([html.Thead(html.Tr(head)), html.Tbody(body)], className="plain-table"),
        className="plain-table-place",
        tabIndex=0,
        role="region",
        **{"aria-label": label},
    )
