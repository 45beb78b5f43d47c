"""Architectures with what is believed of them, so that a generation judges only what it bred.

n candidates, M objectives.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ...search_space.population import Population
from .batch_picking import best_first
from .problem import Values
from .unseen import row_keys, stack


@dataclass(frozen=True, eq=False)
class Candidates:
    """A population (n,), its values and their standard deviations (n, M), the chance that each can be scored (n,), and
    the gain that each promises (n,). Where a value is only known by scoring, it is the predicted mean."""

    population: Population
    values: Values
    deviation: Values
    chance: Values
    gains: Values

    @classmethod
    def none(cls, empty: Population, objectives: int) -> Candidates:
        """No candidates yet."""
        matrix, column = np.empty((0, objectives)), np.empty(0)
        return cls(empty, matrix, matrix, column, column)

    def __len__(self) -> int:
        return len(self.population)

    def __getitem__(self, rows: NDArray | slice) -> Candidates:
        return Candidates(*(getattr(self, field.name)[rows] for field in fields(self)))

    def others(self, population: Population) -> Population:
        """Those of a population that are not among these."""
        known = set(row_keys(self.population))
        return population[np.array([key not in known for key in row_keys(population)], dtype=np.bool_)]

    def joined(self, more: Candidates) -> Candidates:
        """These, then more."""
        values = (np.concatenate([getattr(self, f.name), getattr(more, f.name)]) for f in fields(self)[1:])
        return Candidates(stack(self.population.space, [self.population, more.population]), *values)

    def best(self, count: int) -> Candidates:
        """The `count` that promise most, best first."""
        return self[best_first(self.gains, self.deviation)[:count]]
