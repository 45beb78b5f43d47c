"""A curve as small as a word: its path, to be drawn inside a cell of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..grids import Column

WIDTH, HEIGHT, EDGE = 100, 24, 2


def sparkline_path(xs: Sequence[float], ys: Sequence[float], end: float) -> str:
    """A staircase through the points, on to x = `end`, as the path of an SVG of `WIDTH` times `HEIGHT`.

    The least value lies at the bottom and the greatest at the top. Without two different values there is no path: "".
    """
    if not len(xs) or min(ys) == max(ys):
        return ""
    first, low = min(xs), min(ys)
    across = (WIDTH - 2 * EDGE) / max(end - first, 1e-9)
    up = (HEIGHT - 2 * EDGE) / (max(ys) - low)
    points = [(EDGE + across * (x - first), HEIGHT - EDGE - up * (y - low)) for x, y in zip(xs, ys, strict=True)]
    steps = "".join(f"H{x:.1f}V{y:.1f}" for x, y in points[1:])
    return f"M{points[0][0]:.1f} {points[0][1]:.1f}{steps}H{WIDTH - EDGE:.1f}"


class SparklineColumn(Column):
    """A column of paths. The row's `<field>_text` says in words what the curve shows."""

    def definition(self) -> dict[str, Any]:
        return super().definition() | {"cellRenderer": "FrontierSparkline", "sortable": False}
