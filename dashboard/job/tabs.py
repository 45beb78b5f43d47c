"""The pages of one job, and the links between them."""

from __future__ import annotations

from urllib.parse import quote

from dash import dcc, html
from dash.development.base_component import Component

TABS = {"overview": "Overview", "explorer": "Explorer"}


def overview_href(job_id: str) -> str:
    """The address of a job's overview."""
    return f"/job/{quote(job_id, safe='')}"


def explorer_href(job_id: str) -> str:
    """The address of a job's Pareto explorer."""
    return f"{overview_href(job_id)}/explorer"


def architecture_href(job_id: str, digest: str) -> str:
    """The address of an architecture's page."""
    return f"{overview_href(job_id)}/architecture/{quote(digest, safe='')}"


def tabs(job_id: str, current: str = "") -> Component:
    """Links to the pages of a job; `current` is one of `TABS`, or empty on a page beneath them."""
    addresses = {"overview": overview_href(job_id), "explorer": explorer_href(job_id)}
    return html.Nav(
        [_tab(label, addresses[name], name == current) for name, label in TABS.items()],
        className="job-tabs",
        **{"aria-label": "Pages of this job"},
    )


def _tab(label: str, href: str, here: bool) -> Component:
    # Where the reader is already is no link, but stays in the order of the keyboard by being said.
    if here:
        return html.Span(label, className="job-tab job-tab-here", **{"aria-current": "page"})
    return dcc.Link(label, href=href, className="job-tab")
