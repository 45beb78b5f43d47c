"""The evaluations that a quality predictor learns from."""

from __future__ import annotations

import numpy as np

from ...search_space.population import Population
from .problem import Values
from .unseen import stack

SLACK = 1.25
NEAR_FRONT = 0.5
FRONT_MEMBERS = 256


class TrainingSet:
    """All evaluations while they are few, later those near the front and a random part of the others."""

    def __init__(self, empty: Population, objectives: int, most: int, rng: np.random.Generator) -> None:
        self.population = empty
        self.values: Values = np.empty((0, objectives))
        self._most = most
        self._rng = rng

    def __len__(self) -> int:
        return len(self.values)

    def add(self, population: Population, values: Values, front: Values) -> None:
        """Evaluations with finite `values` (architectures, objectives); `front` (members, objectives) is so far."""
        self.population = stack(population.space, [self.population, population])
        self.values = np.concatenate([self.values, values])
        if len(self) > SLACK * self._most:
            self._thin(front)

    def _thin(self, front: Values) -> None:
        order = np.argsort(_gaps(self.values, front), kind="stable")
        near = int(NEAR_FRONT * self._most)
        others = self._rng.permutation(order[near:])[: self._most - near]
        kept = np.sort(np.concatenate([order[:near], others]))
        self.population, self.values = self.population[kept], self.values[kept]


def _gaps(values: Values, front: Values) -> Values:
    """By how much of the front's range each row must improve until it is on the front."""
    members = front[np.linspace(0, len(front) - 1, min(len(front), FRONT_MEMBERS)).astype(np.intp)]
    scale = np.maximum(np.ptp(front, axis=0), 1e-12)
    gaps = np.full(len(values), np.inf)
    for member in members:
        gaps = np.minimum(gaps, ((values - member) / scale).max(axis=1))
    return gaps
