"""Exact hypervolume, all objectives minimised. Pure: it knows nothing of SQL.

Two objectives are a staircase; three are slices along the last, each a staircase; more add up what each point dominates
alone, the points taken along the last objective (Fonseca, Paquete, López-Ibáñez 2006; While, Bradstreet, Barone 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..errors import InputError
from .staircase import Staircase

MOST_OBJECTIVES = 4


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """The volume that the points dominate and that lies below the reference, of any points, dominated ones too.

    Points that are not below the reference in every objective add nothing.

    Raises:
        InputError: more than four objectives.
    """
    check_count(len(reference))
    return dominated_volume(points, reference)


def check_count(objectives: int) -> None:
    """Refuse more objectives than are ever minimised at once, as the time grows with each."""
    if not 1 <= objectives <= MOST_OBJECTIVES:
        raise InputError(f"hypervolume: of 1 to {MOST_OBJECTIVES} objectives; got {objectives}")


def dominated_volume(points: Sequence[Sequence[float]] | np.ndarray, reference: Sequence[float] | np.ndarray) -> float:
    """As `hypervolume`, of any number of objectives, however long that takes."""
    corner = np.asarray(reference, dtype=np.float64)
    inside = np.asarray(points, dtype=np.float64).reshape(-1, len(corner))
    inside = inside[(inside < corner).all(axis=1) & np.isfinite(inside).all(axis=1)]
    return _volume(inside, corner)


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
    steps = Staircase(corner[0], corner[1])
    ordered = points[np.argsort(points[:, 2], kind="stable")].tolist()
    volume = 0.0
    for (x, y, z), (_, _, following) in pairwise([*ordered, [0.0, 0.0, float(corner[2])]]):
        steps.add(x, y)
        volume += steps.volume * (following - z)
    return volume


def _volume_of_many(points: np.ndarray, corner: np.ndarray) -> float:
    """More objectives: what each point adds in all but the last, times how far it reaches along the last."""
    ordered = points[np.argsort(points[:, -1], kind="stable")]
    front = np.empty((0, len(corner) - 1))
    volume = 0.0
    for point in ordered:
        added = alone(point[:-1], front, corner[:-1])
        if added > 0:
            volume += added * float(corner[-1] - point[-1])
            front = np.vstack([front[~(front >= point[:-1]).all(axis=1)], point[:-1]])
    return volume


_OF_FEW = {2: _area, 3: _volume_3}


def alone(point: np.ndarray, front: np.ndarray, corner: np.ndarray) -> float:
    """The volume that the point dominates and nobody on the front does; all of them lie below the corner."""
    box = float(np.prod(corner - point))
    if not len(front):
        return box
    shared = np.maximum(front, point)
    # Slices leave out who is dominated as they go; without them, everybody less is a lot less.
    return box - _volume(shared if len(corner) in _OF_FEW else _minimal(shared), corner)


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
