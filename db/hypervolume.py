"""Exact hypervolume, all objectives minimised. Pure: it knows nothing of SQL.

Two objectives are a staircase; three are slices along the last, each a staircase; more add up what each point dominates
alone, the points taken along the last objective (Fonseca, Paquete, López-Ibáñez 2006; While, Bradstreet, Barone 2012).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from ..errors import InputError

MOST_OBJECTIVES = 4


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """The volume that the points dominate and that lies below the reference, of any points, dominated ones too.

    Points that are not below the reference in every objective add nothing.

    Raises:
        InputError: more than four objectives.
    """
    if not 1 <= len(reference) <= MOST_OBJECTIVES:
        raise InputError(f"hypervolume: of 1 to {MOST_OBJECTIVES} objectives; got {len(reference)}")
    return dominated_volume(points, reference)


def dominated_volume(points: Sequence[Sequence[float]] | np.ndarray, reference: Sequence[float] | np.ndarray) -> float:
    """As `hypervolume`, of any number of objectives, however long that takes."""
    corner = np.asarray(reference, dtype=np.float64)
    inside = np.asarray(points, dtype=np.float64).reshape(-1, len(corner))
    inside = inside[(inside < corner).all(axis=1) & np.isfinite(inside).all(axis=1)]
    return _volume(inside, corner)


def gains(points: Sequence[Sequence[float]], reference: Sequence[float], objectives: Sequence[str]) -> list[float]:
    """The hypervolume after each point of a stream, in its order.

    Raises:
        InputError: the reference has another length than `objectives`, or there are more than four.
    """
    if len(reference) != len(objectives):
        raise InputError(f"reference: a value for each of {', '.join(objectives)}; got {list(reference)!r}")
    corner = np.asarray(reference, dtype=np.float64)
    front = np.empty((0, len(corner)))
    total, totals = hypervolume([], reference), []
    for given in points:
        point = np.asarray(given, dtype=np.float64)
        if (point < corner).all() and np.isfinite(point).all():
            total += _alone(point, front, corner)
            front = np.vstack([front[~(front >= point).all(axis=1)], point])
        totals.append(total)
    return totals


def reference_of(points: Sequence[Sequence[float]], count: int) -> list[float]:
    """The worst finite value of each of `count` objectives; 0 where there is none."""
    columns = np.asarray(points, dtype=np.float64).reshape(-1, count).T
    finite = [column[np.isfinite(column)] for column in columns]
    return [float(column.max()) if len(column) else 0.0 for column in finite]


def _volume(points: np.ndarray, corner: np.ndarray) -> float:
    if not len(points):
        return 0.0
    if len(corner) == 1:
        return float(corner[0] - points.min())
    return _OF_FEW.get(len(corner), _volume_of_many)(points, corner)


def _area(points: np.ndarray, corner: np.ndarray) -> float:
    """Two objectives: the steps of the staircase, from left to right."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    lowest = np.minimum.accumulate(ordered[:, 1])
    widths = np.diff(np.append(ordered[:, 0], corner[0]))
    return float(np.sum(widths * (corner[1] - lowest)))


def _volume_3(points: np.ndarray, corner: np.ndarray) -> float:
    """Three objectives: one staircase that grows along the third, and its area between one point and the next."""
    steps = _Staircase(corner[0], corner[1])
    ordered = points[np.argsort(points[:, 2], kind="stable")].tolist()
    volume = 0.0
    for (x, y, z), (_, _, following) in pairwise([*ordered, [0.0, 0.0, float(corner[2])]]):
        steps.add(x, y)
        volume += steps.area * (following - z)
    return volume


def _volume_of_many(points: np.ndarray, corner: np.ndarray) -> float:
    """More objectives: what each point adds in all but the last, times how far it reaches along the last."""
    ordered = points[np.argsort(points[:, -1], kind="stable")]
    front = np.empty((0, len(corner) - 1))
    volume = 0.0
    for point in ordered:
        added = _alone(point[:-1], front, corner[:-1])
        if added > 0:
            volume += added * float(corner[-1] - point[-1])
            front = np.vstack([front[~(front >= point[:-1]).all(axis=1)], point[:-1]])
    return volume


_OF_FEW = {2: _area, 3: _volume_3}


def _alone(point: np.ndarray, front: np.ndarray, corner: np.ndarray) -> float:
    """The volume that the point dominates and nobody on the front does."""
    box = float(np.prod(corner - point))
    if not len(front):
        return box
    shared = np.maximum(front, point)
    return box - _volume(_minimal(shared[(shared < corner).all(axis=1)]), corner)


def _minimal(points: np.ndarray) -> np.ndarray:
    """The points that no other dominates, once each."""
    points = np.unique(points, axis=0)  # in the order of the first objective, then the next: who beats comes before
    kept = np.empty_like(points)
    count = 0
    for point in points:
        if not (kept[:count] <= point).all(axis=1).any():
            kept[count] = point
            count += 1
    return kept[:count]


class _Staircase:
    """The area that points of a plane dominate below a corner, kept while points are added."""

    def __init__(self, right: float, top: float) -> None:
        self._xs: list[float] = [-np.inf, float(right)]
        self._ys: list[float] = [float(top), -np.inf]
        self._top = float(top)
        self.area = 0.0

    def add(self, x: float, y: float) -> None:
        at = bisect_left(self._xs, x)
        if self._ys[at - 1] <= y or (self._xs[at] == x and self._ys[at] <= y):
            return
        end = at
        while self._ys[end] >= y:
            end += 1
        self.area += self._gain(x, y, at, end)
        self._xs[at:end], self._ys[at:end] = [x], [y]

    def _gain(self, x: float, y: float, at: int, end: int) -> float:
        """The area between the new step and the old ones, from x to where the next lower step begins."""
        edges: Iterable[float] = [x, *self._xs[at:end], self._xs[end]]
        heights = self._ys[at - 1 : end]
        return sum(
            (right - left) * (height - y) for (left, right), height in zip(pairwise(edges), heights, strict=True)
        )
