"""The table of the explorer, empty: the browser makes its rows from the points and writes their numbers."""

from __future__ import annotations

from typing import Any

import dash_ag_grid as dag
from dash import dcc, html
from dash.development.base_component import Component

from ..grids import MAX_ROWS, ROW_HEIGHT, grid_style
from .explored import EXPLORED
from .panels import button


def table_panel() -> Component:
    """The table of what is drawn, empty; up to four rows can be ticked to be compared."""
    return html.Section(
        [
            html.H2("Architectures"),
            html.Div(
                [
                    html.P("", id="explorer-table-note", className="quiet", role="status"),
                    html.Div(
                        [
                            html.Span(
                                dcc.Link("Compare", id="explorer-compare", href=""),
                                id="explorer-compare-place",
                                hidden=True,
                            ),
                            button("explorer-csv", "Save as CSV"),
                        ],
                        className="explorer-buttons",
                    ),
                ],
                className="explorer-below",
            ),
            _table(),
        ],
        className="panel",
    )


def _table() -> Component:
    numbers = [
        _number(name, one.label, one.kind)
        for name, one in EXPLORED.items()
        if name not in ("latency_ms", "latency_predicted_ms")
    ]
    predicted = _number("latency_predicted_ms", "Latency, predicted (ms)", "interval") | {"width": 190, "minWidth": 190}
    columns = [
        {"field": "ticked", "headerName": "Tick", "width": 66, "pinned": "left", "cellRenderer": "ExplorerTick"}
        | {"sortable": False, "filter": False, "resizable": False, "headerTooltip": "Compare, up to four"},
        {"field": "digest", "headerName": "Architecture", "width": 140, "cellRenderer": "ExplorerLink"}
        | {"filter": "agTextColumnFilter", "pinned": "left"},
        {"field": "on_front", "headerName": "Front", "width": 90, "filter": "agTextColumnFilter"},
        {"field": "fidelity", "headerName": "Weights", "width": 110, "filter": "agTextColumnFilter"},
        numbers[0],
        predicted,
        *numbers[1:],
        {"field": "state", "headerName": "State", "width": 110, "filter": "agTextColumnFilter"},
        {"field": "seq", "headerName": "Evaluation", "width": 110, "type": "rightAligned"}
        | {"filter": "agNumberColumnFilter"},
    ]
    return dag.AgGrid(
        id="explorer-table",
        columnDefs=columns,
        rowData=[],
        getRowId="params.data.row_id",
        defaultColDef={
            "sortable": True,
            "resizable": True,
            "suppressMovable": True,
            "wrapHeaderText": True,
            "autoHeaderHeight": True,
            "useValueFormatterForExport": False,
        },
        dashGridOptions={
            "theme": {"function": "frontierTheme(themeQuartz)"},
            "rowHeight": ROW_HEIGHT,
            "animateRows": False,
            "enableCellTextSelection": True,
            "tooltipShowDelay": 300,
            "suppressNoRowsOverlay": True,
        },
        style=grid_style(MAX_ROWS),
    )


def _number(name: str, label: str, kind: str) -> dict[str, Any]:
    units = {"latency": f"{label} (ms)"}
    return {
        "field": name,
        "headerName": units.get(kind, label),
        "width": 150,
        "type": "rightAligned",
        "filter": "agNumberColumnFilter",
        "valueFormatter": {"function": f"explorerText(params, '{kind}')"},
    }
