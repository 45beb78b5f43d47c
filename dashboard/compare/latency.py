"""The latency of compared architectures by kernel family: one figure, and a table of the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from dash import html
from dash.development.base_component import Component

from ..architecture.breakdown_figure import families
from ..architecture.family_legend import family_legend
from ..architecture.view import PHASES
from ..charts import chart
from ..numbers import known, latency
from .figure import compare_figure, sums_by_family
from .reading import Compared
from .table import scrolling


def panel(found: Sequence[Compared], labels: Sequence[str]) -> Component:
    """The panel, or the line that says that nothing was kept."""
    breakdowns = [one.breakdown for one in found]
    every = pd.concat(breakdowns)
    title = html.H2("Latency by kernel family")
    if every.empty:
        words = "The ledger holds no breakdown of any of these. Breakdowns are kept for the front's members."
        return html.Section([title, html.P(words)], className="panel")
    phases = [phase for phase in PHASES if phase in set(every["phase"])]
    every_family = families(every)
    without = [name for name, rows in zip(labels, breakdowns, strict=True) if rows.empty]
    figure = compare_figure(breakdowns, labels, phases, every_family)
    label = "Latency of each architecture by kernel family and phase; the table below has the same numbers"
    return html.Section(
        [
            title,
            *([html.P(f"The ledger holds no breakdown of {', '.join(without)}.")] if without else []),
            family_legend(every_family),
            chart("compare-latency", figure, label),
            _table(breakdowns, labels, phases),
        ],
        className="panel",
    )


def _table(breakdowns: Sequence[pd.DataFrame], labels: Sequence[str], phases: Sequence[str]) -> Component:
    head = html.Thead(html.Tr([html.Th("Family"), *(html.Th(name, scope="col") for name in labels)]))
    bodies = [_body(phase, sums_by_family(breakdowns, phase), len(labels)) for phase in phases]
    caption = html.Caption("Predicted latency by phase and kernel family, in ms", className="compare-caption")
    return scrolling(html.Table([caption, head, *bodies], className="compare-table"), "Latency by kernel family")


def _body(phase: str, sums: pd.DataFrame, columns: int) -> Component:
    heading = html.Tr(html.Th(phase.capitalize(), colSpan=columns + 1, scope="rowgroup"), className="compare-group")
    whole = [sums[place].sum() if known(sums[place].max()) else None for place in range(columns)]
    rows = [_row(str(family), sums.loc[family].tolist()) for family in sums.index]
    return html.Tbody([heading, *rows, _row("All", whole)])


def _row(name: str, values: Sequence[float | None]) -> Component:
    return html.Tr([html.Th(name, scope="row"), *(html.Td(latency(value)) for value in values)])
