"""A line that says why what was asked for did not happen."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component


def trouble(title: str, why: str) -> Component:
    """What did not happen, and the one-line reason; the page is as it was."""
    return dmc.Alert(html.Code(why), title=title, color="red", variant="light", className="notice")
