"""Which page an address shows."""

from __future__ import annotations

import logging
from urllib.parse import unquote

from . import messages
from .page import Page
from .pages import PAGES
from .reader import NotThere, Unreadable
from .site import Site

log = logging.getLogger(__name__)


def page(pathname: str | None, search: str | None, site: Site) -> Page:
    """The page at an address. Whatever goes wrong has a page too: this never raises."""
    try:
        return _page(pathname or "/", search, site)
    except NotThere as error:
        return Page("Not found", messages.not_found(error.what, error.why))
    except Unreadable as error:
        return Page("Ledger not readable", messages.unreadable(str(error)), retry=True)
    except Exception:
        log.exception("the page at %r could not be drawn", pathname)
        return Page("Not drawn", messages.broken())


def _page(pathname: str, search: str | None, site: Site) -> Page:
    for module in PAGES:
        if match := module.ROUTE.fullmatch(pathname):
            names = {key: unquote(value) for key, value in match.groupdict().items()}
            drawn: Page = module.open_page(site, names, search)
            return drawn
    raise NotThere(f"There is no page at {unquote(pathname)}.")
