"""How much the front has gained: its hypervolume over the evaluations, or over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..numbers import SPACE, count, significant
from ..theme import FRONT, say_nothing_yet

HEIGHT = 260
MOST_OF_IT = 0.95
UNITS = {"val_loss": "{loss_unit}", "param_count": "parameters", "peak_memory_bytes": "bytes"}


def hypervolume_figure(curve: pd.DataFrame, end: int, over: str, unit: str) -> go.Figure:
    """Draw `curve` (seq, value, created_at): level from one change of the front to the next, and on to now.

    Args:
        end: how many evaluations there are.
        over: "evaluations" or "time".
        unit: of the hypervolume.
    """
    figure = go.Figure(layout=_layout(over, unit))
    if curve.empty:
        say_nothing_yet(figure, "No architecture on the front yet")
        return figure
    values = curve["value"].to_numpy(dtype=float)
    xs = curve["created_at"].to_list() if over == "time" else curve["seq"].to_list()
    figure.add_trace(
        go.Scatter(
            x=xs if over == "time" else [*xs, max(end, xs[-1])],
            y=values if over == "time" else [*values, values[-1]],
            mode="lines" if len(xs) > 1 or over != "time" else "markers",
            line={"color": FRONT, "width": 2, "shape": "hv"},
            name="hypervolume",
            hovertemplate=f"{'%{x}' if over == 'time' else 'evaluation %{x}'}: %{{y:.4~g}}<extra></extra>",
        )
    )
    return figure


def hypervolume_words(curve: pd.DataFrame, end: int, unit: str) -> str:
    """The same in a sentence."""
    if curve.empty:
        return "Nothing is on the front yet."
    values, seqs = curve["value"].to_numpy(dtype=float), curve["seq"].to_numpy()
    changed = f"The front last changed at evaluation {count(seqs[-1])} of {count(end)}"
    if values[-1] <= 0:
        return f"{changed}; it spans no volume yet."
    reached = seqs[int(np.argmax(values >= MOST_OF_IT * values[-1]))]
    return (
        f"{significant(values[-1])} {unit} now, {MOST_OF_IT:.0%} of it".replace("%", f"{SPACE}%")
        + f" after {count(reached)} evaluations. {changed}."
    )


def hypervolume_unit(objectives: Sequence[str], loss_unit: str) -> str:
    """The unit of a hypervolume: those of the objectives, multiplied."""
    return " × ".join(UNITS.get(name, "ms").format(loss_unit=loss_unit) for name in objectives)


def _layout(over: str, unit: str) -> dict[str, Any]:
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": {"l": 72, "r": 16, "t": 12, "b": 52},
        "xaxis": {"title": {"text": "time (UTC)" if over == "time" else "evaluations"}}
        | ({"type": "date"} if over == "time" else {"rangemode": "tozero"}),
        "yaxis": {"title": {"text": f"hypervolume<br>({unit})"}, "rangemode": "tozero"},
        "showlegend": False,
        "hovermode": "x",
        "uirevision": f"hypervolume {over}",
    }
