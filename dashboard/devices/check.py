"""One check of a device's predictions: figures, scatter, and the pairs behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from ..charts import chart
from ..grids import Column, grid
from ..numbers import known, latency, moment, percent
from .reading import DeviceReading
from .validation_figure import validation_figure, validation_words, workload
from .validation_table import validation_table

PAIRS = (
    Column("digest", "Architecture", width=170),
    Column("measured_ms", "Measured (ms)", "number", 128),
    Column("again_ms", "Measured again (ms)", "number", 164),
    Column("predicted_ms", "Predicted (ms)", "number", 128),
    Column("low_ms", "Low (ms)", "number", 100, "Lower end of the prediction's interval"),
    Column("high_ms", "High (ms)", "number", 100, "Upper end of the prediction's interval"),
    Column("error", "Error", "number", 90, "Of the prediction, relative to what was measured"),
)
TIMES = ("measured_ms", "again_ms", "predicted_ms", "low_ms", "high_ms")
LABEL = "Predicted against measured latency; the table below holds the same numbers"


def checks(reading: DeviceReading, check: str, select_id: Mapping[str, str]) -> list[Component]:
    """The chosen check and the table of all. `check` is its place from 1, `select_id` the id of what chooses it."""
    if reading.validations.empty:
        return [html.P(["No check was made yet. ", html.Code("frontier device validate"), " makes one."])]
    found = chosen(reading, check)
    return [
        _select(reading, check, select_id),
        html.P(validation_words(found), id="device-check-words", className="quiet"),
        chart("device-check", validation_figure(found["pairs"], found["floor_mape"]), LABEL),
        grid("device-pairs", PAIRS, pair_rows(found["pairs"]), "digest"),
        html.H3("Every check"),
        validation_table("device-checks", reading.validations, several_devices=False),
    ]


def chosen(reading: DeviceReading, check: str) -> dict[Any, Any]:
    """The validation at a place, from 1."""
    row: dict[Any, Any] = reading.validations.iloc[int(check) - 1].to_dict()
    return row


def _select(reading: DeviceReading, check: str, select_id: Mapping[str, str]) -> Component:
    data = [
        {"value": str(place), "label": f"{moment(row['created_at'])}: {workload(row)}"}
        for place, row in enumerate(reading.validations.to_dict("records"), start=1)
    ]
    select = dmc.Select(id=dict(select_id), label="Check", data=data[::-1], value=check, allowDeselect=False, size="sm")
    return html.Div(select, className="controls device-controls")


def pair_rows(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A validation's pairs as a table, the slowest architecture last."""
    return [_pair_row(pair) for pair in sorted(pairs, key=lambda pair: pair["measured_ms"])]


def _pair_row(pair: dict[str, Any]) -> dict[str, Any]:
    error = pair["predicted_ms"] / pair["measured_ms"] - 1 if pair["measured_ms"] else None
    return {
        "digest": pair["digest"],
        **{name: pair.get(name) if known(pair.get(name)) else None for name in TIMES},
        **{f"{name}_text": latency(pair.get(name)) for name in TIMES},
        "error": error,
        "error_text": percent(error),
    }
