"""The table of a comparison: a column for each architecture, equal rows marked so that the page can hide them."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from ..job.tabs import architecture_href
from ..numbers import count
from .reading import Compared, Comparison
from .rows import Group, Row, letter
from .view import CompareView, compare_href


def table(comparison: Comparison, view: CompareView, found_groups: Sequence[Group]) -> Component:
    """The table. Rows that are equal in all columns have the class `compare-equal`."""
    return html.Table(
        [
            html.Caption(
                "What differs between the architectures, and what each of them is", className="compare-caption"
            ),
            html.Thead(html.Tr([html.Td(), *_heads(comparison, view)])),
            *(_body(group, len(comparison.found)) for group in found_groups),
        ],
        className="compare-table",
    )


def scrolling(table: Component, label: str, **more: str) -> Component:
    """A place for a table that may be wider than the screen, which the keyboard can scroll as well."""
    place = {"className": "compare-scroll", "tabIndex": "0", "role": "region", "aria-label": label}
    return html.Div(table, **{**place, **more})


def label(one: Compared, place: int, jobs: int) -> str:
    """What an architecture is called: a letter, the beginning of its digest, its job where there are several."""
    job = f" ({one.job.name})" if jobs > 1 else ""
    return f"{letter(place)} · {one.digest[:8]}{job}"


def labels(found: Sequence[Compared]) -> list[str]:
    """The names of all of them."""
    jobs = len({one.job.id for one in found})
    return [label(one, place, jobs) for place, one in enumerate(found)]


def _heads(comparison: Comparison, view: CompareView) -> list[Component]:
    names = labels(comparison.found)
    return [
        html.Th(
            [
                dcc.Link(name, href=architecture_href(one.job.id, one.digest)),
                html.Br(),
                dcc.Link(
                    "Remove",
                    href=compare_href(comparison.job.id, view.without(one.name)),
                    className="compare-remove",
                    title=f"Remove {name} from the comparison",
                ),
            ],
            scope="col",
        )
        for one, name in zip(comparison.found, names, strict=True)
    ]


def _body(group: Group, columns: int) -> Component:
    heading = html.Tr(html.Th(group.title, colSpan=columns + 1, scope="rowgroup"), className="compare-group")
    equal = all(row.equal for row in group.rows)
    return html.Tbody([heading, *(_row(row) for row in group.rows)], className="compare-equal" if equal else None)


def _row(row: Row) -> Component:
    cells = [_cell(text, place in row.best) for place, text in enumerate(row.texts)]
    return html.Tr(
        [html.Th(row.label, scope="row"), *cells], className="compare-equal" if row.equal else "compare-differs"
    )


def _cell(text: str, best: bool) -> Component:
    if not best:
        return html.Td(text)
    return html.Td([text, " ", html.Span("★ best", className="compare-best")])


def hidden_words(found_groups: Sequence[Group]) -> dict[str, str]:
    """How many rows are equal, for each way of showing them."""
    rows = [row for group in found_groups for row in group.rows]
    equal = sum(row.equal for row in rows)
    among = f"{count(equal)} of {count(len(rows))} rows"
    verb = "is" if equal == 1 else "are"
    return {
        "differences": f"{among} {verb} equal for all and hidden." if equal else "No row is equal for all.",
        "all": f"{among} {verb} equal for all." if equal else "No row is equal for all.",
    }
