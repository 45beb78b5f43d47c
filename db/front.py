"""The Pareto front of a stream of points, kept one offer at a time. Pure: it knows nothing of SQL."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Point = Sequence[float | None]


def is_comparable(point: Point) -> bool:
    """Whether every objective is a known number. Infinities are numbers: they compare like any other."""
    return all(value is not None and not math.isnan(value) for value in point)


def covers(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether `one` is at least as good as `other` in every (minimised) objective: it dominates it or equals it."""
    return all(a <= b for a, b in zip(one, other, strict=True))


class Front:
    """The non-dominated members, all objectives minimised.

    Of equal points the first stays and the later ones do not enter. An offer costs one comparison per member.
    """

    def __init__(self, members: Mapping[str, Sequence[float]] | None = None) -> None:
        self.members: dict[str, Sequence[float]] = dict(members or {})

    def offer(self, key: str, point: Point) -> tuple[str, ...] | None:
        """Offer a point under a key not offered before.

        Returns:
            The keys that left because the point entered (often none), or None where the point did not enter.
        """
        assert key not in self.members, f"{key} is on the front already"
        if not is_comparable(point):
            return None
        known = [value for value in point if value is not None]
        if any(covers(member, known) for member in self.members.values()):
            return None
        left = tuple(key for key, member in self.members.items() if covers(known, member))
        for gone in left:
            del self.members[gone]
        self.members[key] = known
        return left
