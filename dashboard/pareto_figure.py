"""The Pareto figure: every evaluated architecture, the front through them, and the finalists trained further."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .numbers import QUANTITIES, Quantity
from .theme import FINALIST, FRONT, MUTED, say_nothing_yet
from .view import View

HEIGHT = 460


def pareto_figure(
    evaluations: pd.DataFrame, front: pd.DataFrame, objectives: Sequence[str], view: View, loss_unit: str
) -> go.Figure:
    """Draw the complete rows of `evaluations` over the axes of `view`.

    A point's customdata is its digest. A latency is drawn as measured where it was measured and as predicted elsewhere;
    the points of a front of predicted latencies carry the prediction's interval. The front is joined by a line only
    where the axes are the job's two objectives: over any other axes the same architectures don't form a staircase.

    Args:
        evaluations: rows of the ledger, all fidelities.
        front: the front of the fidelity `view.front`, with the same columns.
    """
    x, y = QUANTITIES[view.x], QUANTITIES[view.y]
    rows = _with_coordinates(evaluations[evaluations["state"] == "complete"], x, y)
    inherited = rows[rows["fidelity"] == "inherited"]
    tuned = rows[rows["fidelity"] == "finetuned"]
    front = _with_coordinates(front, x, y).sort_values(["x", "y"])
    off_front = ~rows["digest"].isin(front["digest"]) | (rows["fidelity"] != view.front)
    figure = go.Figure(layout=_layout(x, y, view, loss_unit))
    if rows.empty:
        say_nothing_yet(figure, "No complete evaluation yet")
    figure.add_trace(_markers(inherited[off_front.loc[inherited.index]], "evaluated", MUTED, "circle", 6, 0.45, x, y))
    figure.add_trace(_tuning_lines(inherited, tuned))
    if {view.x, view.y} == set(objectives):
        figure.add_trace(_staircase(front, FRONT if view.front == "inherited" else FINALIST))
    others = tuned[off_front.loc[tuned.index]]
    if view.front == "inherited":
        figure.add_trace(_front_markers(front, "front", FRONT, "circle", x, y))
        figure.add_trace(_markers(others, "finalists, fine-tuned and measured", FINALIST, "diamond", 11, 1.0, x, y))
    else:
        figure.add_trace(_markers(others, "finalists not on the front", FINALIST, "diamond-open", 11, 1.0, x, y))
        figure.add_trace(_front_markers(front, "front of the finalists", FINALIST, "diamond", x, y))
    return figure


def _with_coordinates(rows: pd.DataFrame, x: Quantity, y: Quantity) -> pd.DataFrame:
    """`rows` with columns x and y in axis units, without the rows that have no place on these axes."""
    placed = rows.assign(x=_values(rows, x), y=_values(rows, y))
    return placed[np.isfinite(placed["x"]) & np.isfinite(placed["y"])]


def _values(rows: pd.DataFrame, quantity: Quantity) -> pd.Series:
    values = _real(rows, quantity.column)
    if quantity.column == "latency_ms":
        values = _real(rows, "latency_measured_ms").fillna(values)
    return values / quantity.scale


def _real(rows: pd.DataFrame, column: str) -> pd.Series:
    return pd.Series(rows[column].to_numpy(dtype=float, na_value=np.nan), index=rows.index)


def _markers(
    rows: pd.DataFrame, name: str, colour: str, symbol: str, size: int, opacity: float, x: Quantity, y: Quantity
) -> go.Scattergl:
    return go.Scattergl(
        x=rows["x"].to_numpy(np.float32),
        y=rows["y"].to_numpy(np.float32),
        customdata=rows["digest"].tolist(),
        mode="markers",
        name=name,
        marker={"color": colour, "symbol": symbol, "size": size, "opacity": opacity},
        hovertemplate=f"%{{customdata}}<br>{_hover('y', y)}<br>{_hover('x', x)}<extra>{name}</extra>",
    )


def _front_markers(front: pd.DataFrame, name: str, colour: str, symbol: str, x: Quantity, y: Quantity) -> go.Scattergl:
    markers = _markers(front, name, colour, symbol, 9 if symbol == "circle" else 11, 1.0, x, y)
    for axis, quantity in (("x", x), ("y", y)):
        if quantity.column == "latency_ms":
            markers[f"error_{axis}"] = _interval(front, front[axis], colour)
    return markers


def _interval(front: pd.DataFrame, drawn: pd.Series, colour: str) -> dict[str, Any]:
    """Error bars of predicted latencies; a measured latency and one without an interval get none."""
    predicted = front["latency_measured_ms"].isna()
    above = (front["latency_high_ms"] - drawn).where(predicted).fillna(0).clip(lower=0)
    below = (drawn - front["latency_low_ms"]).where(predicted).fillna(0).clip(lower=0)
    return {
        "type": "data",
        "array": above.to_numpy(np.float32),
        "arrayminus": below.to_numpy(np.float32),
        "color": colour,
        "thickness": 1,
        "width": 3,
    }


def _staircase(front: pd.DataFrame, colour: str) -> go.Scattergl:
    """The edge of what the front dominates: level from each point to the next, then down."""
    return go.Scattergl(
        x=front["x"].to_numpy(np.float32),
        y=front["y"].to_numpy(np.float32),
        mode="lines",
        line={"color": colour, "width": 1.5, "shape": "hv"},
        hoverinfo="skip",
        showlegend=False,
        name="front line",
    )


def _tuning_lines(inherited: pd.DataFrame, tuned: pd.DataFrame) -> go.Scattergl:
    """A dotted line from where a finalist stood with inherited weights to where it stands after fine-tuning."""
    pairs = inherited.merge(tuned, on="digest", suffixes=("_from", "_to"))
    gap = np.full(len(pairs), np.nan)
    return go.Scattergl(
        x=np.column_stack([pairs["x_from"], pairs["x_to"], gap]).ravel().astype(np.float32),
        y=np.column_stack([pairs["y_from"], pairs["y_to"], gap]).ravel().astype(np.float32),
        mode="lines",
        line={"color": FINALIST, "width": 1, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
        name="fine-tuning",
    )


def _hover(axis: str, quantity: Quantity) -> str:
    if quantity.column == "val_loss":
        return f"validation loss %{{{axis}:.4f}}"
    if quantity.column == "latency_ms":
        return f"latency %{{{axis}:.3~r}} ms"
    unit = "M parameters" if quantity.column == "param_count" else "MiB peak memory"
    return f"%{{{axis}:.3~r}} {unit}"


def _layout(x: Quantity, y: Quantity, view: View, loss_unit: str) -> dict[str, Any]:
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": {"l": 64, "r": 16, "t": 12, "b": 52},
        "xaxis": {
            "title": {"text": x.axis.format(loss_unit=loss_unit)},
            "type": view.scale,
            "tickformat": ".3~g" if view.scale == "log" else None,
        },
        "yaxis": {"title": {"text": y.axis.format(loss_unit=loss_unit)}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
        "dragmode": "zoom",
        # Zoom and hidden traces survive every refresh, until the axes themselves are others.
        "uirevision": f"{view.x} {view.y} {view.scale}",
    }


def caption(config: dict[str, Any]) -> str:
    """What a job's latency is the latency of: `decode, batch 1, 256 tokens, on laptop (2 threads)`."""
    job_device = config.get("device") or {}
    images = (config.get("task") or {}).get("kind") == "image_classification"
    parts = [
        str(job_device[key]) if key == "phase" else f"{words} {job_device[key]}"
        for key, words in (("phase", ""), ("batch", "batch"))
        if job_device.get(key) is not None
    ]
    if job_device.get("seq_len") is not None and not images:
        parts.append(f"{job_device['seq_len']} tokens")
    if job_device.get("name"):
        count = job_device.get("threads")
        threads = f" ({count} thread{'' if count == 1 else 's'})" if count else ""
        parts.append(f"on {job_device['name']}{threads}")
    return ", ".join(parts)
