"""Where the browser asks for points: addresses that answer with bytes, with nothing new, or with why not."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dash import Dash
from flask import Response, jsonify, request

from ..reader import NotThere, Unreadable
from ..site import Site
from .reading import read_front, read_points

log = logging.getLogger(__name__)

BINARY = "application/octet-stream"


def register_points(app: Dash, site: Site) -> None:
    """Points go as bytes by routes of their own: as a callback's JSON they would take several times as long."""

    def points(job_id: str) -> Response:
        after = request.args.get("after", default=0, type=int)
        return _answered(lambda: read_points(site.reader, job_id, max(0, after)))

    def front(job_id: str, fidelity: str) -> Response:
        return _answered(lambda: read_front(site.reader, job_id, fidelity))

    app.server.add_url_rule("/explorer/<job_id>/points", "explorer_points", points)
    app.server.add_url_rule("/explorer/<job_id>/front/<fidelity>", "explorer_front", front)


def _answered(read: Callable[[], bytes | None]) -> Response:
    try:
        packed = read()
        answer = Response(status=204) if packed is None else Response(packed, mimetype=BINARY)
    except NotThere as error:
        answer = _refused(404, error.what)
    except Unreadable as error:
        answer = _refused(503, str(error))
    except Exception:
        log.exception("points could not be read")
        answer = _refused(500, "The dashboard's log holds the reason.")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _refused(status: int, why: str) -> Response:
    answer = jsonify(error=why)
    answer.status_code = status
    return answer
