"""The app: a shell around the page that the address names, and the callbacks of every page."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update, set_props
from dash.development.base_component import Component
from flask import request

from . import charts, messages
from .access import downloads, gate, login
from .access.access import Access, Refused
from .access.words import access_line, refused
from .pages import PAGES
from .reader import Reader
from .routes import page
from .site import Site
from .theme import INDEX, templates

log = logging.getLogger(__name__)

RETRY_MS = 2000
A_YEAR_S = 31_536_000
# This machine's names for itself: a page on the internet that makes its own name resolve to 127.0.0.1 gets nothing.
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


def create_app(
    database: str,
    access: Access | None = None,
    exports: Path | None = None,
    hosts: Sequence[str] | None = LOCAL_NAMES,
    open_reading: bool = True,
) -> Dash:
    """The dashboard over the ledger at `database`: a path or a database URL, which need not exist yet.

    Without `access` it only reads. It takes all it needs from this machine, and loads nothing from the internet.

    Args:
        exports: the folder that downloads come from.
        hosts: the names it may be asked for by; None answers to every name.
        open_reading: looking needs no login.
    """
    site = Site(Reader(database), access or Access(), exports)
    app = Dash(
        __name__,
        title="Frontier",
        update_title="",
        index_string=INDEX,
        serve_locally=True,
        suppress_callback_exceptions=True,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        on_error=partial(_tell, site),
        csrf_token_name=site.access.csrf_cookie,
        csrf_header_name=gate.CSRF_HEADER,
    )
    # The address of a script or style names its version, so a browser need not ask whether it is still the same.
    app.server.config["SEND_FILE_MAX_AGE_DEFAULT"] = A_YEAR_S
    app.server.config["TRUSTED_HOSTS"] = None if hosts is None else list(hosts)
    gate.guard(app, site.access, open_reading)
    if site.access.offered:
        login.register(app, site.access, open_reading)
    downloads.register(app, site)
    # Drawn anew for each browser, as it says whether that one has logged in.
    app.layout = partial(_shell, site)
    _register_shell(app, site)
    charts.register(app)
    for module in PAGES:
        module.register(app, site)
    return app


def _shell(site: Site) -> Component:
    return dmc.MantineProvider(
        [
            dcc.Location(id="shell-location", refresh="callback-nav"),
            dcc.Store(id="shell-scheme"),
            dcc.Store(id="shell-templates", data=templates()),
            dcc.Store(id="shell-title"),
            dcc.Store(id="shell-shown"),
            dcc.Interval(id="shell-clock", interval=RETRY_MS, disabled=True),
            html.Header(
                html.Nav(
                    [
                        dcc.Link("Frontier", href="/", className="brand"),
                        dcc.Link("Jobs", href="/"),
                        dcc.Link("Devices", href="/devices"),
                        dcc.Link("New search", href="/new"),
                        access_line(site.access),
                    ]
                ),
                className="shell-header",
            ),
            html.Main(
                [
                    html.Div(id="shell-notice"),
                    html.Div(html.P("Reading the ledger …", className="quiet"), id="shell-page"),
                ]
            ),
        ],
        defaultColorScheme="auto",
    )


def _register_shell(app: Dash, site: Site) -> None:
    @app.callback(
        Output("shell-page", "children"),
        Output("shell-title", "data"),
        Output("shell-clock", "disabled"),
        Output("shell-shown", "data"),
        Output("shell-notice", "children"),
        Input("shell-location", "pathname"),
        Input("shell-location", "search"),
        Input("shell-clock", "n_intervals"),
        State("shell-shown", "data"),
        State("shell-clock", "disabled"),
    )
    def show(pathname: str, search: str, _: int | None, shown: list[str] | None, settled: bool) -> tuple[Any, ...]:
        # A page that writes its own view into the address is shown already, and is not drawn anew for it.
        if shown == [pathname, search] and settled:
            return (no_update,) * 5
        drawn = page(pathname, search, site)
        return drawn.content, drawn.title, not drawn.retry, [pathname, search], None

    app.clientside_callback(
        "title => { if (title) { document.title = title + ' · Frontier'; } return window.dash_clientside.no_update; }",
        Output("shell-title", "modified_timestamp"),
        Input("shell-title", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        "() => window.frontierScheme.watch(scheme => window.dash_clientside.set_props('shell-scheme', {data: scheme}))",
        Output("shell-scheme", "data"),
        Input("shell-templates", "data"),
    )


def _tell(site: Site, error: Exception) -> None:
    """Say above the page what a callback failed by: a change that is not allowed, or else a fault of ours."""
    if isinstance(error, Refused):
        log.warning("refused a change of %s: %s", request.remote_addr, error)
        set_props("shell-notice", {"children": refused(str(error), site.access.offered)})
        return
    log.error("a callback failed", exc_info=error)
    set_props("shell-notice", {"children": messages.not_refreshed()})
