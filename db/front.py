"""The Pareto front of a stream of points, kept one offer at a time. Pure: it knows nothing of SQL."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Point = Sequence[float | None]
Compare = Callable[[np.ndarray, float], np.ndarray]

FIRST_CAPACITY = 64


def is_comparable(point: Point) -> bool:
    """Whether every objective is a known number. Infinities are numbers: they compare like any other."""
    return all(value is not None and not math.isnan(value) for value in point)


class Front:
    """The non-dominated members, all objectives minimised, compared in float64.

    Of equal points the first stays and the later ones do not enter. An offer compares the point with every member at
    once, one objective after the other: microseconds for thousands of members, whatever was offered before.
    """

    def __init__(self, members: Mapping[str, Sequence[float]] | None = None) -> None:
        given = dict(members or {})
        self._keys = np.array([*given, None], dtype=object)[:-1]
        self._known = set(given)
        self._values = np.array(list(given.values()), dtype=np.float64).T.copy() if given else None

    @property
    def members(self) -> dict[str, tuple[float, ...]]:
        """The members in the order they entered, with their points."""
        if self._values is None:
            return {}
        points = self._values[:, : len(self._keys)].T.tolist()
        return {key: tuple(point) for key, point in zip(self._keys, points, strict=True)}

    def __len__(self) -> int:
        return len(self._keys)

    def offer(self, key: str, point: Point) -> tuple[str, ...] | None:
        """Offer a point under a key not offered before.

        Returns:
            The keys that left because the point entered (often none), or None where the point did not enter.

        Raises:
            ValueError: the point has another number of objectives than the members.
        """
        assert key not in self._known, f"{key} is on the front already"
        if not is_comparable(point):
            return None
        known = [float(value) for value in point if value is not None]
        if self._values is not None and len(known) != len(self._values):
            raise ValueError(f"point: must have {len(self._values)} objectives; got {point!r}")
        if self._all(np.less_equal, known).any():
            return None
        beaten = self._all(np.greater_equal, known)
        left = tuple(self._keys[beaten])
        if left:
            self._keep(~beaten)
            self._known.difference_update(left)
        self._append(key, known)
        return left

    def _all(self, compare: Compare, point: Sequence[float]) -> np.ndarray:
        """Which members compare so with the point in every objective."""
        count = len(self._keys)
        holds = np.ones(count, dtype=bool)
        if self._values is not None:
            for values, value in zip(self._values, point, strict=True):
                holds &= compare(values[:count], value)
        return holds

    def _keep(self, staying: np.ndarray) -> None:
        assert self._values is not None, "nobody can leave an empty front"
        kept = self._values[:, : len(self._keys)][:, staying]
        self._keys = self._keys[staying]
        self._values[:, : kept.shape[1]] = kept

    def _append(self, key: str, point: Sequence[float]) -> None:
        count = len(self._keys)
        if self._values is None:
            self._values = np.empty((len(point), FIRST_CAPACITY))
        elif count == self._values.shape[1]:
            self._values = np.concatenate([self._values, np.empty_like(self._values)], axis=1)
        self._values[:, count] = point
        self._keys = np.append(self._keys, np.array([key], dtype=object))
        self._known.add(key)
