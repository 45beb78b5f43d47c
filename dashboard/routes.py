"""Which page an address shows."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from urllib.parse import unquote

from dash.development.base_component import Component

from . import messages
from .pages import architecture, job, jobs
from .reading import NotThere, Reader, Unreadable
from .view import read_view

log = logging.getLogger(__name__)

JOB = re.compile(r"/job/(?P<job>[^/]+)/?")
ARCHITECTURE = re.compile(r"/job/(?P<job>[^/]+)/architecture/(?P<digest>[^/]+)/?")


@dataclass(frozen=True)
class Page:
    """A page: what it is called in the browser's tab, its content, and whether to ask again soon."""

    title: str
    content: Component
    retry: bool = False


def page(pathname: str | None, search: str | None, reader: Reader) -> Page:
    """The page at an address. Whatever goes wrong has a page too: this never raises."""
    try:
        return _page(pathname or "/", search, reader)
    except NotThere as error:
        return Page("Not found", messages.not_found(error.what, error.why))
    except Unreadable as error:
        return Page("Ledger not readable", messages.unreadable(str(error)), retry=True)
    except Exception:
        log.exception("the page at %r could not be drawn", pathname)
        return Page("Not drawn", messages.broken())


def _page(pathname: str, search: str | None, reader: Reader) -> Page:
    if pathname == "/":
        return Page("Jobs", jobs.layout(reader.jobs(), reader.database))
    if match := JOB.fullmatch(pathname):
        view, problem = read_view(search)
        read = reader.job(unquote(match["job"]), view.front)
        return Page(read.job.name, job.layout(read, view, problem))
    if match := ARCHITECTURE.fullmatch(pathname):
        found = reader.architecture(unquote(match["job"]), unquote(match["digest"]))
        return Page(f"{found.best.digest[:8]}, {found.job.name}", architecture.layout(found))
    raise NotThere(f"There is no page at {unquote(pathname)}.")
