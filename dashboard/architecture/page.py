"""One architecture: what it is, what it scores, what it costs, where it comes from, how to take it away."""

from __future__ import annotations

import re

from dash import Dash, dcc, html
from dash.development.base_component import Component

from ...search_space import Architecture
from .. import messages
from ..access.access import Access
from ..compare.view import CompareView, compare_href
from ..job.tabs import overview_href, tabs
from ..page import Page
from ..site import Site
from . import agreement as architecture_agreement
from . import export as architecture_export
from . import latency as architecture_latency
from . import notes as architecture_notes
from . import origin as architecture_origin
from . import sizes as architecture_sizes
from .diagram import diagram
from .numbers import numbers
from .reading import ArchitectureReading, read_architecture
from .view import ArchitectureView, read_view

ROUTE = re.compile(r"/job/(?P<job>[^/]+)/architecture/(?P<digest>[^/]+)/?")


def open_page(site: Site, names: dict[str, str], search: str | None) -> Page:
    """The page of the architecture that the address names."""
    view, problem = read_view(search)
    found = read_architecture(site.reader, names["job"], names["digest"])
    return Page(f"{found.digest[:8]}, {found.job.name}", layout(found, site.access, view, problem))


def layout(
    reading: ArchitectureReading, access: Access, view: ArchitectureView, problem: str | None = None
) -> Component:
    """The page of an architecture. `problem` is what was wrong with the view that the address asked for."""
    own_phase = str((reading.job.config.get("device") or {}).get("phase", ""))
    left = [_layers(reading), architecture_notes.panel(reading.remarks, access)]
    right = [architecture_export.panel(reading, access), architecture_origin.panel(reading)]
    return html.Div(
        [
            html.Div(id="architecture-notice"),
            messages.address_problem(problem) if problem else None,
            *_head(reading),
            html.Div(numbers(reading), className="facts-place"),
            html.Div([html.Div(left), html.Div(right)], className="beside"),
            architecture_latency.panel(reading.breakdown, reading.roofs, view, own_phase),
            architecture_agreement.panel(reading),
            architecture_sizes.panel(reading),
            dcc.Store(id="architecture-job", data=reading.job.id),
            dcc.Store(id="architecture-digest", data=reading.digest),
        ]
    )


def _head(reading: ArchitectureReading) -> list[Component]:
    compare = compare_href(reading.job.id, CompareView((reading.digest,)))
    return [
        html.P(["Job ", dcc.Link(reading.job.name, href=overview_href(reading.job.id))], className="quiet"),
        tabs(reading.job.id),
        html.Div(
            [
                html.H1(["Architecture ", html.Code(reading.digest)]),
                dcc.Link("Compare with others", href=compare, className="architecture-compare"),
            ],
            className="architecture-title",
        ),
    ]


def _layers(reading: ArchitectureReading) -> Component:
    architecture = Architecture.from_json(reading.best.architecture)
    return html.Section([html.H2("Layers"), diagram(architecture)], className="panel")


def register(app: Dash, site: Site) -> None:
    """What moves on this page: the latency's phase, exports under way, notes and tags."""
    architecture_latency.register(app, site)
    architecture_export.register(app, site)
    architecture_notes.register(app, site)
