"""What a page says of who may change things."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from .access import Access
from .login import CSRF_FIELD


def access_line(access: Access) -> Component:
    """Whether this browser may change things, and the way to log in or out."""
    if not access.offered:
        return html.Span("Read only", className="shell-access", title="frontier serve runs a dashboard that can change")
    session = access.session()
    if session is None:
        # A plain link: the page to log in at is not one of the app's.
        return html.A("Log in to change", href="/login", className="shell-access")
    return html.Form(
        [
            html.Span("Logged in"),
            dcc.Input(type="hidden", name=CSRF_FIELD, value=session.csrf),
            html.Button("Log out", type="submit"),
        ],
        action="/logout",
        method="post",
        className="shell-access",
    )


def refused(why: str, offered: bool) -> Component:
    """A line above a page on which somebody tried to change something and may not."""
    way_out = [html.Br(), html.A("Log in", href="/login")] if offered else []
    return dmc.Alert(
        [f"{why[:1].upper()}{why[1:]}.", *way_out],
        title="Nothing was changed",
        color="yellow",
        variant="light",
        className="notice",
    )
