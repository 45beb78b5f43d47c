"""Two to four architectures side by side: numbers, what they are layer by layer, and where their latency goes."""

from __future__ import annotations

import re
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from ...errors import InputError
from .. import messages
from ..job.tabs import overview_href, tabs
from ..numbers import count, latency, loss
from ..page import Page
from ..site import Site
from .latency import panel as latency_panel
from .reading import Comparison, read_comparison
from .rows import groups
from .table import hidden_words, labels, scrolling, table
from .view import FEWEST, MOST, CompareView, compare_href

ROUTE = re.compile(r"/job/(?P<job>[^/]+)/compare/?")
# So many members of the front are offered to be compared as well, spread over it.
OFFERED = 24


def open_page(site: Site, names: dict[str, str], search: str | None) -> Page:
    """The page of the comparison that the address names."""
    view, problem = CompareView(), None
    try:
        view = CompareView.parse(search)
    except InputError as error:
        problem = str(error)
    comparison = read_comparison(site.reader, names["job"], view.names)
    return Page(f"Compare, {comparison.job.name}", layout(comparison, view, problem))


def layout(comparison: Comparison, view: CompareView, problem: str | None = None) -> Component:
    """The page. Fewer than two architectures is a page that says how to choose them."""
    enough = len(comparison.found) >= FEWEST
    return html.Div(
        [
            html.P(["Job ", dcc.Link(comparison.job.name, href=overview_href(comparison.job.id))], className="quiet"),
            tabs(comparison.job.id),
            html.H1("Compare architectures"),
            messages.address_problem(problem) if problem else None,
            *(_missing(comparison, view, name, why) for name, why in comparison.missing.items()),
            *(_side_by_side(comparison, view) if enough else [_too_few(comparison, view)]),
            _add(comparison, view),
        ]
    )


def _missing(comparison: Comparison, view: CompareView, name: str, why: str) -> Component:
    remove = dcc.Link("Leave it out", href=compare_href(comparison.job.id, view.without(name)))
    return dmc.Alert(
        [html.Code(why), html.Br(), remove],
        title=f"{name} is not there",
        color="yellow",
        variant="light",
        className="notice",
    )


def _too_few(comparison: Comparison, view: CompareView) -> Component:
    chosen = [
        html.Li(
            [
                html.Code(one.digest),
                " ",
                dcc.Link("Remove", href=compare_href(comparison.job.id, view.without(one.name))),
            ]
        )
        for one in comparison.found
    ]
    return html.Section(
        [
            html.H2("Choose at least two architectures"),
            html.P("A comparison takes two to four. Add some below, or tick them in the explorer."),
            *([html.P("Chosen so far:"), html.Ul(chosen)] if chosen else []),
        ],
        className="panel",
        id="compare-too-few",
    )


def _side_by_side(comparison: Comparison, view: CompareView) -> list[Component]:
    found_groups = groups(comparison.found)
    words = hidden_words(found_groups)
    return [
        html.Section(
            [
                html.Div(
                    [
                        dmc.Switch(
                            id="compare-differences",
                            label="Differences only",
                            checked=view.rows == "differences",
                        ),
                        html.Span(words[view.rows], id="compare-hidden", className="quiet", role="status"),
                    ],
                    className="compare-controls",
                ),
                scrolling(
                    table(comparison, view, found_groups),
                    "Comparison",
                    id="compare-rows",
                    className=f"compare-scroll compare-{view.rows}",
                ),
                *_not_alike(comparison),
                dcc.Store(id="compare-words", data=words),
                dcc.Store(id="compare-names", data=list(view.names)),
            ],
            className="panel",
        ),
        latency_panel(comparison.found, labels(comparison.found)),
    ]


def _not_alike(comparison: Comparison) -> list[Component]:
    if len({one.job.id for one in comparison.found}) == 1:
        return []
    words = "They come from several jobs: where their tasks or devices differ, no loss or latency is called the best."
    return [html.P(words, className="quiet")]


def _add(comparison: Comparison, view: CompareView) -> Component:
    """Links that add one of the job's front."""
    title = html.H2("Add from the front")
    if len(view.names) >= MOST:
        return html.Section(
            [title, html.P(f"{MOST} fit side by side: remove one to add another.", className="quiet")],
            className="panel",
        )
    chosen = {one.digest for one in comparison.found if one.job.id == comparison.job.id}
    rest = comparison.front[~comparison.front["digest"].isin(chosen)]
    if rest.empty:
        return html.Section(
            [title, html.P("Nobody else is on this job's front.", className="quiet")], className="panel"
        )
    step = max(1, -(-len(rest) // OFFERED))
    shown = rest.iloc[::step]
    left_out = f" Shown are {count(len(shown))} of {count(len(rest))}, spread over it." if step > 1 else ""
    items = [html.Li(_offer(comparison, view, row)) for row in shown.to_dict("records")]
    return html.Section(
        [
            title,
            html.P(f"The fastest first.{left_out}", className="quiet"),
            html.Ul(items, className="compare-offers", id="compare-offers"),
        ],
        className="panel",
    )


def _offer(comparison: Comparison, view: CompareView, row: dict[Any, Any]) -> list[Component | str]:
    digest = row["digest"]
    link = dcc.Link(
        f"+ {digest[:8]}",
        href=compare_href(comparison.job.id, view.and_with(digest)),
        title=f"Add {digest} to the comparison",
    )
    return [link, f" loss {loss(row['val_loss'])}, {latency(row['latency_ms'])} ms"]


def register(app: Dash, site: Site) -> None:
    """Show and hide equal rows in the browser, and keep the address in step."""
    app.clientside_callback(
        """(only, words, names, pathname) => {
            const rows = only ? "differences" : "all";
            const search = "?with=" + names.map(encodeURIComponent).join(",").replaceAll("%3A", ":")
                + (only ? "" : "&rows=all");
            return ["compare-scroll compare-" + rows, words[rows], search, [pathname, search]];
        }""",
        Output("compare-rows", "className"),
        Output("compare-hidden", "children"),
        Output("shell-location", "search", allow_duplicate=True),
        Output("shell-shown", "data", allow_duplicate=True),
        Input("compare-differences", "checked"),
        State("compare-words", "data"),
        State("compare-names", "data"),
        State("shell-location", "pathname"),
        prevent_initial_call=True,
    )
