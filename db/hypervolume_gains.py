"""The exact hypervolume after each point of a stream: every point adds what it dominates alone."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from operator import itemgetter
from typing import Protocol

import numpy as np

from ..errors import InputError
from .hypervolume import alone, check_count
from .staircase import Staircase

Box = tuple[float, float, float]


class Dominated(Protocol):
    """What the points so far dominate. Those that are added lie below the corner in every objective."""

    volume: float

    @property
    def add(self) -> Callable[..., None]:
        """Add a point by its objectives, dominated or not."""


def gains(points: Sequence[Sequence[float]], reference: Sequence[float], objectives: Sequence[str]) -> list[float]:
    """The hypervolume after each point of a stream, in its order.

    Raises:
        InputError: the reference has another length than `objectives`, or there are more than four.
    """
    if len(reference) != len(objectives):
        raise InputError(f"reference: a value for each of {', '.join(objectives)}; got {list(reference)!r}")
    check_count(len(reference))
    dominated = DOMINATED.get(len(reference), Together)(*map(float, reference))
    totals = []
    for point in points:
        if all(isfinite(value) and value < worst for value, worst in zip(point, reference, strict=True)):
            dominated.add(*map(float, point))
        totals.append(dominated.volume)
    return totals


class Layers:
    """Three objectives: layers along the third, in each of which a point meets the staircase of those below it."""

    def __init__(self, right: float, top: float, end: float) -> None:
        self._right, self._top, self._end = right, top, end
        self._front: list[Box] = []  # in the order of the third objective
        self.volume = 0.0

    def add(self, x: float, y: float, z: float) -> None:
        """Add a point; it is kept if it dominates something alone."""
        added = self._alone(x, y, z)
        if added > 0:
            self.volume += added
            self._front = [other for other in self._front if other[0] < x or other[1] < y or other[2] < z]
            insort(self._front, (x, y, z), key=itemgetter(2))

    def _alone(self, x: float, y: float, z: float) -> float:
        steps, whole = Staircase(self._right, self._top), (self._right - x) * (self._top - y)
        volume, level = 0.0, z
        for other_x, other_y, other_z in self._front:
            if other_z > level:
                volume += max(0.0, whole - steps.volume) * (other_z - level)
                level = other_z
            if other_x <= x and other_y <= y:
                return volume  # from here on nothing is the point's alone
            steps.add(max(other_x, x), max(other_y, y))
        return volume + max(0.0, whole - steps.volume) * (self._end - level)


class Together:
    """Any number of objectives, each new point against the whole front."""

    def __init__(self, *corner: float) -> None:
        self._corner = np.array(corner)
        self._front = np.empty((0, len(corner)))
        self.volume = 0.0

    def add(self, *point: float) -> None:
        """Add a point."""
        added = np.array(point)
        self.volume += alone(added, self._front, self._corner)
        self._front = np.vstack([self._front[~(self._front >= added).all(axis=1)], added])


# Those that have a quicker way than comparing with everybody.
DOMINATED: Mapping[int, Callable[..., Dominated]] = {2: Staircase, 3: Layers}
