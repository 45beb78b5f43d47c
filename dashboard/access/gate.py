"""What every request passes: where it was sent from, whose it is, how large it is, and whether Dash can read it."""

from __future__ import annotations

import hmac
import logging
from urllib.parse import urlsplit

from dash import Dash
from flask import Response, abort, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from .access import Access, Session
from .callback_body import problem_with
from .login import CSRF_FIELD, login_address

log = logging.getLogger(__name__)

CALLBACKS = "/_dash-update-component"
CSRF_HEADER = "X-Frontier-CSRF"
# Pages send ids and small data; the largest are the points of a brushed figure.
MOST_BODY_BYTES = 8 * 2**20
# What a browser must reach to log in, and nothing that shows anything of the ledger.
OPEN_PATHS = ("/login", "/assets/login.css", "/assets/icon.svg")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}


def guard(app: Dash, access: Access, open_reading: bool) -> None:
    """Refuse what may not pass, with a line in the log. `open_reading`: looking needs no login."""
    app.server.config["MAX_CONTENT_LENGTH"] = MOST_BODY_BYTES

    @app.server.before_request
    def check() -> AnyResponse | None:
        if not open_reading and not access.granted() and request.path not in OPEN_PATHS:
            return _send_to_login()
        if (request.content_length or 0) > MOST_BODY_BYTES:
            abort(413)
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            _check_origin()
            if session := access.session():
                _check_csrf(session)
        if request.path == CALLBACKS and request.method == "POST":
            _check_callback(app)
        return None

    app.server.after_request(_add_headers)
    app.server.register_error_handler(HTTPException, _refuse)


def _send_to_login() -> AnyResponse:
    if request.method in ("GET", "HEAD"):
        return redirect(login_address(request.full_path.rstrip("?")))
    abort(401, "this dashboard is shown to who has logged in")


def _check_origin() -> None:
    """Refuse what a page of another origin sent. A browser says which one it was; other programs say nothing."""
    origin = request.headers.get("Origin")
    if origin is None:
        same = request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    else:
        same = _netloc(origin) == request.host
    if not same:
        abort(403, "sent by a page of another origin")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _check_csrf(session: Session) -> None:
    shown = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
    if not hmac.compare_digest(shown.encode(), session.csrf.encode()):
        abort(403, "sent without the page's own mark of this session; load the page again")


def _check_callback(app: Dash) -> None:
    try:
        body = request.get_json()
    except RecursionError:
        abort(400, "a callback's body is not nested so deeply")
    if problem := problem_with(body, app.callback_map):
        abort(400, problem)


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _refuse(error: HTTPException) -> HTTPException:
    if error.code is not None and error.code >= 400:
        # Names of a stranger's choosing are quoted, so that they make no line of their own.
        log.warning(
            "refused %s %r of %s: %d, %s", request.method, request.path, request.remote_addr, error.code,
            " ".join(str(error.description).split()),
        )  # fmt: skip
    return error
