"""The area that points of a plane dominate, both objectives minimised, kept while points are added."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise

import numpy as np


class Staircase:
    """The steps of the points that no other dominates, and the area `volume` between them and the corner.

    Each point is below the corner in both objectives. Adding one looks for its place by halving, and goes over only
    those that it dominates: over a stream of points each is taken out once at most.
    """

    def __init__(self, right: float, top: float) -> None:
        self._xs: list[float] = [-np.inf, float(right)]
        self._ys: list[float] = [float(top), -np.inf]
        self.volume = 0.0

    def add(self, x: float, y: float) -> None:
        """Add a point; one that is dominated, or there already, changes nothing."""
        at = bisect_left(self._xs, x)
        if self._ys[at - 1] <= y or (self._xs[at] == x and self._ys[at] <= y):
            return
        end = at
        while self._ys[end] >= y:
            end += 1
        self.volume += self._gain(x, y, at, end)
        self._xs[at:end], self._ys[at:end] = [x], [y]

    def _gain(self, x: float, y: float, at: int, end: int) -> float:
        """The area between the new step and the old ones, from x to where the next lower step begins."""
        edges: Iterable[float] = [x, *self._xs[at:end], self._xs[end]]
        heights = self._ys[at - 1 : end]
        return sum(
            (right - left) * (height - y) for (left, right), height in zip(pairwise(edges), heights, strict=True)
        )
