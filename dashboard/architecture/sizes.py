"""How large an architecture is: parameters by part, and what is known of its memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from ...search_space import Architecture
from ..charts import chart
from ..grids import Column, grid
from ..numbers import count, mebibytes, percent
from .numbers import pair
from .parameter_figure import COLOURS, parameter_figure
from .parameters import ENDS, ROLES, Part, parameters_by_part
from .reading import ArchitectureReading

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
COLUMNS = (
    Column("layer", "Layer", width=190),
    Column("role", "Part", width=170),
    Column("count", "Parameters", "number", 120),
    Column("share", "Share", "number", 90, "Share of all parameters"),
)


def panel(reading: ArchitectureReading) -> Component:
    """Parameters by layer and part, counted from the specs, and the memory that was predicted."""
    found = parameters_by_part(Architecture.from_json(reading.best.architecture), reading.best.param_count)
    label = "Parameters of each layer by part; the table below has the same numbers"
    return html.Section(
        [
            html.H2("Parameters and memory"),
            html.Dl([pair(*terms) for terms in memory(reading, found)], className="facts"),
            html.P(how_counted(found, reading.best.param_count), className="quiet"),
            _legend(found),
            chart("architecture-parameters", parameter_figure(found), label),
            grid("architecture-parts", COLUMNS, part_rows(found), "id"),
        ],
        className="panel",
    )


def _legend(found: Sequence[Part]) -> Component:
    there = {part.role for part in found}
    return html.Ul(
        [
            html.Li([html.Span(className=f"legend-mark legend-{place}", style={"color": COLOURS[role]}), role])
            for place, role in enumerate(ROLES)
            if role in there
        ],
        className="legend",
    )


def memory(reading: ArchitectureReading, found: Sequence[Part]) -> list[tuple[str, str, str]]:
    """Parameters in all, those a token meets, the weights' bytes, and what the prediction adds to them."""
    total, peak = reading.best.param_count, reading.best.peak_memory_bytes
    idle = sum(part.idle for part in found)
    terms = [("Parameters", count(total), "as the job counted them")]
    if idle and total is not None:
        terms.append(("Met by one token", count(total - idle), "without the experts it is not sent to"))
    dtype = _dtype(reading)
    weights = None if total is None else BYTES[dtype] * total
    terms.append(("Weights", mebibytes(weights), f"in {dtype}"))
    if peak is not None and weights is not None:
        rest = mebibytes(peak - weights) if peak >= weights else "–"
        terms.append(("Beside them at the peak", rest, "activations, states and buffers, predicted"))
    return terms


def _dtype(reading: ArchitectureReading) -> str:
    device = reading.job.config.get("device") or {}
    on_cuda = str(device.get("device", "")).startswith("cuda")
    return str(device.get("dtype") or ("bfloat16" if on_cuda else "float32"))


def how_counted(found: Sequence[Part], total: int | None) -> str:
    """Where the figure's numbers come from, and where they do not meet the ledger's."""
    counted = "Counted from the specs of the blocks"
    if any(part.role == ENDS and not part.layer.startswith("reduction") for part in found):
        return f"{counted}; what is left of the job's count is what the task adds at both ends."
    if total is None:
        return f"{counted}. The ledger does not know the whole, so what the task adds at both ends is left out."
    inside = sum(part.count for part in found)
    return f"{counted}, {count(inside)} in all; the ledger says {count(total)}, which leaves nothing for both ends."


def part_rows(found: Sequence[Part]) -> list[dict[str, Any]]:
    """The parts as a table; parts of one role in one layer are one row."""
    sums: dict[tuple[str, str], int] = {}
    for part in found:
        key = (part.layer, part.role)
        sums[key] = sums.get(key, 0) + part.count
    total = sum(sums.values())
    return [
        {
            "id": f"{layer}, {role}",
            "layer": layer,
            "role": role,
            "count": value,
            "count_text": count(value),
            "share": value / total if total else None,
            "share_text": percent(value / total if total else None),
        }
        for (layer, role), value in sums.items()
    ]
