"""Checks of predictions against whole measured models, as a table."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import dash_ag_grid as dag
import pandas as pd

from ..grids import Column, grid
from ..numbers import UNKNOWN, count, known, moment, percent
from .validation_figure import workload

DEVICE = Column("device", "Device", "link", 130)
COLUMNS = (
    Column("created_at", "Made (UTC)", width=172),
    Column("workload", "Of", width=252),
    Column("count", "Architectures", "number", 118),
    Column("mape", "Mean error", "number", 104),
    Column("median_ape", "Median error", "number", 114),
    Column("within_10", "Within 10 %", "number", 110),
    Column("floor_mape", "Floor", "number", 78, "Mean error of measuring the same models again"),
    Column("kendall_tau", "Kendall tau", "number", 106, "Rank agreement of predicted and measured latency"),
)


def device_href(name: str) -> str:
    """The address of a device's page."""
    return f"/device/{quote(name, safe='')}"


def tau(value: Any) -> str:
    """A rank agreement, -1 to 1."""
    return f"{value:.2f}" if known(value) else UNKNOWN


TEXTS = {
    "count": count,
    "mape": percent,
    "median_ape": percent,
    "within_10": percent,
    "floor_mape": percent,
    "kendall_tau": tau,
}


def validation_rows(validations: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the table, the latest first; `id` is the place of the check, from 1, in the order they were made."""
    rows = [_row(place, row) for place, row in enumerate(validations.to_dict("records"), start=1)]
    return rows[::-1]


def _row(place: int, row: dict[Any, Any]) -> dict[str, Any]:
    return {
        "id": str(place),
        "href": device_href(row["device"]),
        "device": row["device"],
        "created_at": moment(row["created_at"]),
        "workload": workload(row),
        **{name: row[name] if known(row[name]) else None for name in TEXTS},
        **{f"{name}_text": text(row[name]) for name, text in TEXTS.items()},
    }


def validation_table(table_id: str, validations: pd.DataFrame, several_devices: bool) -> dag.AgGrid:
    """The table; with `several_devices` each row says, and leads to, the device that it is of."""
    columns = (DEVICE, *COLUMNS) if several_devices else COLUMNS
    return grid(table_id, columns, validation_rows(validations), "id")
