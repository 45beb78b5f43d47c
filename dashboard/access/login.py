"""Logging in and out: a page with one field, for which a browser needs no script.

The token is never read from an address: addresses are kept in histories, logs and bookmarks, and passed on.
"""

from __future__ import annotations

import logging
from urllib.parse import urlencode, urlsplit

from dash import Dash
from flask import redirect, render_template_string, request
from werkzeug.wrappers import Response

from .access import SESSION_SECONDS, Access, Refused

log = logging.getLogger(__name__)

CSRF_FIELD = "csrf"
PAGE = """<!DOCTYPE html>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Log in · Frontier</title>
        <link rel="icon" type="image/svg+xml" href="/assets/icon.svg">
        <link rel="stylesheet" href="/assets/login.css">
    </head>
    <body class="login">
        <main>
            <h1>Log in to Frontier</h1>
            <p>{{ purpose }} The token is what <code>frontier serve</code> printed when it started, or what was set as
            <code>FRONTIER_TOKEN</code>.</p>
            {% if problem %}<p role="alert" class="login-problem">{{ problem }}</p>{% endif %}
            <form method="post" action="/login">
                <label for="login-token">Token</label>
                <input id="login-token" name="token" type="password" required autofocus autocomplete="current-password">
                <input name="next" type="hidden" value="{{ next }}">
                <button type="submit">Log in</button>
            </form>
            {% if open_reading %}<p><a href="{{ next }}">Go on looking without</a></p>{% endif %}
        </main>
    </body>
</html>
"""


def login_address(back: str) -> str:
    """The address of the page to log in at, which leads back to a page of this dashboard."""
    return f"/login?{urlencode({'next': back})}"


def register(app: Dash, access: Access, open_reading: bool) -> None:
    """Answer `/login` and `/logout`. `open_reading`: looking needs no login."""
    server = app.server

    @server.get("/login")
    def ask() -> str | Response:
        back = _inside(request.args.get("next") or _page_before())
        return redirect(back) if access.granted() else _page(back, open_reading)

    @server.post("/login")
    def log_in() -> Response | tuple[str, int]:
        back = _inside(request.form.get("next", ""))
        try:
            session = access.log_in(request.form.get("token", ""))
        except Refused as error:
            log.warning("refused a login of %s: %s", request.remote_addr, error)
            return _page(back, open_reading, f"That did not match: {error}."), 403
        log.info("%s logged in", request.remote_addr)
        answer = redirect(back, 303)
        _keep(answer, access.session_cookie, session.secret, hidden=True)
        _keep(answer, access.csrf_cookie, session.csrf, hidden=False)
        return answer

    @server.post("/logout")
    def log_out() -> Response:
        access.log_out()
        answer = redirect("/", 303)
        answer.delete_cookie(access.session_cookie)
        answer.delete_cookie(access.csrf_cookie)
        return answer


def _page(back: str, open_reading: bool, problem: str = "") -> str:
    purpose = (
        "Anybody on this machine may look. To launch, stop, delete, export or annotate, show the token once."
        if open_reading
        else "This dashboard is shown to who has the token."
    )
    return render_template_string(PAGE, next=back, open_reading=open_reading, purpose=purpose, problem=problem)


def _keep(answer: Response, name: str, value: str, *, hidden: bool) -> None:
    answer.set_cookie(
        name, value, max_age=SESSION_SECONDS, httponly=hidden, samesite="Strict", secure=request.is_secure
    )


def _page_before() -> str:
    """The page of this dashboard that led here."""
    before = urlsplit(request.referrer or "")
    return f"{before.path}?{before.query}" if before.netloc == request.host else "/"


def _inside(address: str) -> str:
    """An address of this dashboard: what leads anywhere else becomes the first page."""
    plain = address.isprintable() and "\\" not in address
    return address if plain and address.startswith("/") and not address.startswith(("//", "/login")) else "/"
