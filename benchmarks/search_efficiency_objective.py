"""A search whose best possible outcome is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frontier.db.hypervolume import dominated_volume
from frontier.jobs.algorithms import Problem
from frontier.jobs.algorithms.front import non_dominated
from frontier.search_space.population import Population

Values = NDArray[np.float64]
MARGIN = 0.1


@dataclass(frozen=True, eq=False)
class Objective:
    """`score` tells the values (architectures, objectives) of a population; `front` (members, objectives) is true.

    Volume counts up to `reference`, which is worse than the front's worst by a tenth of its range.
    """

    name: str
    problem: Problem
    score: Callable[[Population], Values]
    front: Values
    reference: Values
    volume: float
    architectures: int

    @classmethod
    def of(
        cls, name: str, problem: Problem, score: Callable[[Population], Values], known: Values, architectures: int
    ) -> Objective:
        """Of `known` values (any number, objectives), which hold the whole true front."""
        front = known[non_dominated(known)]
        reference = front.max(axis=0) + MARGIN * np.ptp(front, axis=0)
        return cls(name, problem, score, front, reference, dominated_volume(front, reference), architectures)

    def share(self, values: Values) -> float:
        """The share of the true front's hypervolume that `values` (any number, objectives) reach."""
        return dominated_volume(values, self.reference) / self.volume
