"""Tables: columns of values that sort as numbers and read as the texts of `numbers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dash_ag_grid as dag

# Up to this many rows a table is as tall as its rows; a longer one scrolls.
MAX_ROWS = 14
ROW_HEIGHT = 38
SCROLLBAR = 18


@dataclass(frozen=True)
class Column:
    """One column, at least `width` pixels wide.

    `kind`: "text"; "number" (sorted by value, right-aligned, its text in `<field>_text`); "link" (to the row's `href`);
    "state" (a word with a colour of its own). A pinned column keeps its width, and its place when the others scroll.
    """

    field: str
    header: str
    kind: str = "text"
    width: int = 120
    tooltip: str = ""
    pinned: bool = False

    def definition(self) -> dict[str, Any]:
        definition: dict[str, Any] = {
            "field": self.field,
            "headerName": self.header,
            "width": self.width,
            "minWidth": self.width,
            "cellDataType": "number" if self.kind == "number" else "text",
        }
        if self.pinned:
            definition |= {"pinned": "left", "suppressSizeToFit": True}
        if self.tooltip:
            definition["headerTooltip"] = self.tooltip
        if self.kind == "number":
            definition |= {"valueFormatter": {"function": "frontierText(params)"}, "type": "rightAligned"}
        if self.kind == "link":
            definition["cellRenderer"] = "FrontierLink"
        if self.kind == "state":
            definition["cellRenderer"] = "FrontierState"
        return definition


def grid(grid_id: str, columns: Sequence[Column], rows: list[dict[str, Any]], row_id: str) -> dag.AgGrid:
    """A sortable table. `row_id` is the field that names a row."""
    return dag.AgGrid(
        id=grid_id,
        columnDefs=[column.definition() for column in columns],
        rowData=rows,
        getRowId=f"params.data.{row_id}",
        # Not the grid's own `flex`: on a slow machine it may miss the width of its place, and then it shows no row.
        columnSize="responsiveSizeToFit",
        defaultColDef={"sortable": True, "resizable": True, "suppressMovable": True, "suppressHeaderMenuButton": True},
        dashGridOptions={
            "theme": {"function": "frontierTheme(themeQuartz)"},
            "rowHeight": ROW_HEIGHT,
            "headerHeight": ROW_HEIGHT,
            "suppressColumnVirtualisation": True,
            "animateRows": False,
            "enableCellTextSelection": True,
            "ensureDomOrder": True,
            "tooltipShowDelay": 300,
            "suppressNoRowsOverlay": True,
        },
        style=grid_style(len(rows)),
    )


def grid_style(row_count: int) -> dict[str, str]:
    """As tall as its rows, up to `MAX_ROWS` of them; what is longer scrolls."""
    return {"height": f"{(min(row_count, MAX_ROWS) + 1) * ROW_HEIGHT + SCROLLBAR}px", "width": "100%"}
