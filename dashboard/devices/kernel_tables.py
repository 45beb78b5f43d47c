"""The kernels of a device as tables: every measured call, the families, and what was imported."""

from __future__ import annotations

from typing import Any

import pandas as pd
from dash import html
from dash.development.base_component import Component

from ..grids import Column
from ..numbers import UNKNOWN, count, known, moment, percent, significant
from ..plain_tables import plain_table
from .reading import DeviceReading
from .roofline_share import by_family

KERNELS = (
    Column("op", "Kernel", width=230),
    Column("family", "Family", width=120),
    Column("shapes", "Shapes", width=230),
    Column("flops", "Operations", "number", 112, "Floating-point operations"),
    Column("bytes", "Bytes moved", "number", 116),
    Column("median_us", "Time (µs)", "number", 100, "Median"),
    Column("spread_us", "Spread (µs)", "number", 112, "Interquartile range"),
    Column("count", "Runs", "number", 78),
    Column(
        "share", "Of roofline", "number", 112, "The least time that the device's best rates allow over the time taken"
    ),
)


def kernel_rows(kernels: pd.DataFrame) -> list[dict[str, Any]]:
    """Every row of `roofline_share.with_share`, the slowest first. Where the time is lost in its spread, no share."""
    ordered = kernels.sort_values("median_us", ascending=False)
    return [_kernel_row(place, row) for place, row in enumerate(ordered.to_dict("records"))]


def _kernel_row(place: int, row: dict[Any, Any]) -> dict[str, Any]:
    share = None if row["lost"] or not known(row["share"]) else row["share"]
    return {
        "id": str(place),
        **{name: row[name] for name in ("op", "family", "shapes", "flops", "bytes", "median_us", "spread_us", "count")},
        "flops_text": count(row["flops"]),
        "bytes_text": count(row["bytes"]),
        "median_us_text": significant(row["median_us"]),
        "spread_us_text": significant(row["spread_us"]),
        "count_text": count(row["count"]),
        "share": share,
        "share_text": percent(share) if share is not None else UNKNOWN,
    }


def families_table(kernels: pd.DataFrame) -> Component:
    """What was measured of each kernel family."""
    rows = [
        [
            row["family"].replace("_", " "),
            count(row["calls"]),
            count(row["lost"]),
            f"{significant(row['median_us'])} µs",
            percent(row["spread_share"]),
            percent(row["share"]),
        ]
        for row in by_family(kernels).to_dict("records")
    ]
    headings = ("Family", "Calls", "Too short to time", "Summed time", "Spread", "Of the roofline, in the middle")
    return plain_table("Kernel families", headings, rows, numbers=5)


def tables_list(reading: DeviceReading) -> list[Component]:
    """The imported tables of a device, and what is doubtful about them."""
    if reading.tables.empty:
        return [html.P("Nothing was imported for this device.", className="quiet")]
    rows = [
        [
            row["kind"].replace("_", " "),
            ", ".join(map(str, row["runtimes"])),
            ", ".join(str(source["file"]) for source in row["sources"]),
            moment(row["created_at"]),
            count(row["row_count"]),
        ]
        for row in reading.tables.to_dict("records")
    ]
    headings = ("Kind", "Runtimes", "Files", "Imported (UTC)", "Rows")
    total = f"{count(reading.tables['row_count'].sum())} rows of {len(rows)} kinds of kernels."
    return [html.P(total, className="quiet"), plain_table("Imported tables", headings, rows, numbers=1)]
