"""Where an architecture's latency goes, one phase at a time: bars, roofline, and the table of the same kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
import pandas as pd
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from ...db import Roofs
from ..charts import chart
from ..grids import Column, grid
from ..numbers import count, latency, percent, significant
from ..reader import NotThere, Unreadable
from ..site import Site
from ..trouble import trouble
from .breakdown_figure import breakdown_figure, families, is_gap
from .family_legend import family_legend
from .numbers import pair
from .reading import read_latency
from .roofline_figure import GIGA, has_operations, placed, roof_at, roofline_figure
from .view import BY, PHASES, ArchitectureView

NONE_KEPT = "The ledger holds no breakdown of this architecture. One is kept for the front's members."
NO_OPERATIONS = (
    "The ledger does not hold how much these kernels compute and move, so there is no roofline. "
    "Breakdowns written by an older version have neither."
)

COLUMNS = (
    Column("layer", "Layer", width=190),
    Column("op", "Kernel", width=420),
    Column("family", "Family", width=140),
    Column("calls", "Calls", "number", 80),
    Column("latency_ms", "Latency (ms)", "number", 120),
    Column("share", "Share", "number", 90, "Share of the phase's latency"),
    Column("source", "Source", width=100, tooltip="Whether this kernel was measured by itself or its time is fitted"),
)
SPEED_COLUMNS = (
    Column("layer", "Layer", width=190),
    Column("op", "Kernel", width=420),
    Column("intensity", "FLOP/byte", "number", 110, "Operations for each byte moved"),
    Column("gflops", "GFLOP/s", "number", 100),
    Column("gbytes", "GB/s", "number", 90),
    Column("roof_share", "Of the roof", "number", 110, "Share of the fastest speed measured at that intensity"),
)


def panel(breakdown: pd.DataFrame, roofs: Roofs | None, view: ArchitectureView, own_phase: str) -> Component:
    """The panel, or the line that says that nothing was kept. `own_phase` is that of the job's latency."""
    title = html.H2("Latency by layer and kernel")
    if breakdown.empty:
        return html.Section([title, html.P(NONE_KEPT)], className="panel", id="architecture-latency")
    phases = phases_of(breakdown)
    shown = view.shown_phase(phases, own_phase)
    return html.Section(
        [
            title,
            html.Div(
                [
                    _switch("architecture-phase", "Phase", shown, {name: name.capitalize() for name in phases}),
                    _switch("architecture-by", "A bar for each of the", view.by, BY),
                ],
                className="controls",
            ),
            *_not_kept(view.phase, shown),
            html.Div(content(breakdown, roofs, shown, view.by), id="architecture-latency-content"),
            dcc.Store(id="architecture-drawn", data=[shown, view.by]),
        ],
        className="panel",
        id="architecture-latency",
    )


def _not_kept(asked: str, shown: str) -> list[Component]:
    if asked in ("", shown):
        return []
    return [html.P(f"The ledger holds no breakdown of {asked}; shown is {shown}.", className="quiet")]


def phases_of(breakdown: pd.DataFrame) -> list[str]:
    """The phases that a breakdown has, in the order in which a model goes through them."""
    there = set(breakdown["phase"])
    return [phase for phase in PHASES if phase in there]


def content(breakdown: pd.DataFrame, roofs: Roofs | None, phase: str, by: str) -> list[Component]:
    """One phase in full."""
    rows, every_family = breakdown[breakdown["phase"] == phase], families(breakdown)
    return [
        html.H3(f"{phase.capitalize()}: {latency(rows['latency_ms'].sum())} ms predicted"),
        summary(rows),
        family_legend(every_family, fitted=not rows["measured"].all()),
        chart(
            f"architecture-latency-{phase}",
            breakdown_figure(rows, every_family, by),
            f"{BY[by]} of {phase} by their latency; the table below has the same numbers",
        ),
        *_roofline(rows, every_family, roofs, phase),
        html.H3("All kernels of the phase"),
        grid("architecture-kernels", COLUMNS, kernel_rows(rows), "id"),
    ]


def summary(rows: pd.DataFrame) -> Component:
    """How much of a phase is kernels and how much lies between them, and how much was measured."""
    whole = rows["latency_ms"].sum()
    gaps = rows[rows["family"].map(is_gap)]
    kernels = rows.drop(gaps.index)
    between = gaps[gaps["op"] != "fixed"]
    fixed = gaps[gaps["op"] == "fixed"]["latency_ms"].sum()
    measured = kernels.loc[kernels["measured"], "latency_ms"].sum()

    def part(value: float) -> str:
        return f"{latency(value)} ms" + (f" ({percent(value / whole)})" if whole else "")

    pairs = [
        ("In kernels", part(kernels["latency_ms"].sum()), f"{count(kernels['calls'].sum())} calls"),
        ("Launch gaps", part(between["latency_ms"].sum()), _gaps(between)),
        ("Fixed per run", part(fixed), "less than nothing where a small model finds its code in caches")
        if fixed
        else None,
        ("Kernels measured by themselves", _share(measured, kernels["latency_ms"].sum()), "the rest is fitted"),
    ]
    return html.Dl([pair(*terms) for terms in pairs if terms], className="facts")


def _gaps(between: pd.DataFrame) -> str:
    calls = between["calls"].sum()
    return f"{count(calls)} of them" if calls else "time between kernels"


def _share(part: float, whole: float) -> str:
    return f"{percent(part / whole)} of their time" if whole else "none"


def _switch(switch_id: str, label: str, value: str, words: dict[str, str]) -> Component:
    data = [{"value": key, "label": word} for key, word in words.items()]
    control = dmc.SegmentedControl(id=switch_id, data=data, value=value, size="sm", **{"aria-label": label})
    return html.Div([html.Span(label, className="control-label"), control])


def _roofline(rows: pd.DataFrame, every_family: Sequence[str], roofs: Roofs | None, phase: str) -> list[Component]:
    title = html.H3("Roofline")
    if not has_operations(rows):
        return [title, html.P(NO_OPERATIONS, className="quiet")]
    label = f"Speed of each kernel in {phase} over its operational intensity; the table below has the same numbers"
    return [
        title,
        html.P(roofline_words(rows, roofs), className="quiet"),
        chart(f"architecture-roofline-{phase}", roofline_figure(rows, every_family, roofs), label),
        grid("architecture-speeds", SPEED_COLUMNS, speed_rows(rows, roofs), "id"),
    ]


def roofline_words(rows: pd.DataFrame, roofs: Roofs | None) -> str:
    """What the roofline shows, what its roofs are, and what has no place in it."""
    kernels = rows[~rows["family"].map(is_gap)]
    missing = len(kernels) - len(placed(rows))
    lines = f"{count(missing)} of {count(len(kernels))} lines"
    left_out = f" Left out are {lines}, which compute nothing or take under 1 µs a call." if missing else ""
    open_symbols = "" if kernels["measured"].all() else " An open symbol: the time is fitted."
    if roofs is None:
        return f"No kernel was measured on this device, so no roof is drawn.{open_symbols}{left_out}"
    return (
        f"The roofs are the fastest of {count(roofs.kernels)} kernels measured on this device: "
        f"{significant(roofs.flops_per_second / GIGA)} GFLOP/s and {significant(roofs.bytes_per_second / GIGA)} GB/s. "
        f"Left of their corner memory holds a kernel up, right of it computing does.{open_symbols}{left_out}"
    )


def kernel_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The breakdown of one phase as a table, in the order of the model."""
    whole = rows["latency_ms"].sum()
    return [_kernel_row(str(place), row, whole) for place, row in enumerate(rows.to_dict("records"))]


def _kernel_row(place: str, row: dict[Any, Any], whole: float) -> dict[str, Any]:
    share = row["latency_ms"] / whole if whole else None
    return {
        "id": place,
        **{field: row[field] for field in ("phase", "layer", "op", "family", "calls", "latency_ms")},
        "calls_text": count(row["calls"]),
        "latency_ms_text": significant(row["latency_ms"]),
        "share": share,
        "share_text": percent(share),
        "source": "measured" if row["measured"] else "fitted",
    }


def speed_rows(rows: pd.DataFrame, roofs: Roofs | None) -> list[dict[str, Any]]:
    """What the roofline draws, as a table: what kernels compute and move in a second."""
    return [_speed_row(str(place), row, roofs) for place, row in enumerate(placed(rows).to_dict("records"))]


def _speed_row(place: str, row: dict[Any, Any], roofs: Roofs | None) -> dict[str, Any]:
    values: dict[str, float | None] = {name: float(row[name]) for name in ("intensity", "gflops", "gbytes")}
    share = None if roofs is None else float(row["gflops"]) * GIGA / roof_at(roofs, float(row["intensity"]))
    texts = {f"{name}_text": significant(value) for name, value in values.items()}
    names = {"id": place, "layer": row["layer"], "op": row["op"]}
    return {**names, **values, **texts, "roof_share": share, "roof_share_text": percent(share)}


def register(app: Dash, site: Site) -> None:
    """Draw another phase, or bars of another kind, and write it into the address."""

    @app.callback(
        Output("architecture-latency-content", "children"),
        Output("architecture-drawn", "data"),
        Output("shell-location", "search", allow_duplicate=True),
        Output("shell-shown", "data", allow_duplicate=True),
        Output("architecture-notice", "children", allow_duplicate=True),
        Input("architecture-phase", "value"),
        Input("architecture-by", "value"),
        State("architecture-job", "data"),
        State("architecture-digest", "data"),
        State("shell-location", "pathname"),
        State("architecture-drawn", "data"),
        prevent_initial_call=True,
    )
    def show(phase: str, by: str, job_id: str, digest: str, pathname: str, drawn: list[str]) -> tuple[Any, ...]:
        # A page that was only just opened calls too, for what it shows already.
        if drawn == [phase, by]:
            return (no_update,) * 5
        try:
            job, breakdown, roofs = read_latency(site.reader, job_id, digest)
        except (Unreadable, NotThere) as error:
            return *[no_update] * 4, trouble("The ledger can't be read right now", str(error))
        own = str((job.config.get("device") or {}).get("phase", ""))
        search = ArchitectureView("" if phase == own else phase, by).search
        shown = ArchitectureView(phase).shown_phase(phases_of(breakdown), own)
        return content(breakdown, roofs, shown, by), [phase, by], search, [pathname, search], None
