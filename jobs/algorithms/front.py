"""Which architectures no other is better than. All objectives are minimised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...search_space.population import Population
from .problem import Values


def non_dominated(values: Values) -> NDArray[np.bool_]:
    """Which rows of `values` (rows, objectives) no other row dominates. Of equal rows the first counts."""
    order = np.lexsort(values.T[::-1])
    kept = np.zeros(len(values), dtype=np.bool_)
    if values.shape[1] == 2:
        second = values[order, 1]
        before = np.concatenate([[np.inf], np.minimum.accumulate(second)[:-1]])
        kept[order] = second < before
        return kept
    # In this order a row can only be dominated by rows before it.
    while len(order):
        first, rest = order[0], order[1:]
        kept[first] = True
        order = rest[(values[rest] < values[first]).any(axis=1)]
    return kept


def ranks(values: Values) -> NDArray[np.intp]:
    """The front that each row of `values` (rows, objectives) is on when fronts are peeled off: 0 for the first."""
    found = np.zeros(len(values), dtype=np.intp)
    left, rank = np.arange(len(values)), 0
    while len(left):
        on_front = non_dominated(values[left])
        found[left[on_front]] = rank
        left, rank = left[~on_front], rank + 1
    return found


class Front:
    """The best architectures told so far."""

    def __init__(self, empty: Population, objectives: int) -> None:
        self.population = empty
        self.values: Values = np.empty((0, objectives))

    def __len__(self) -> int:
        return len(self.values)

    def add(self, population: Population, values: Values) -> None:
        """Let architectures with finite `values` join where nothing dominates them."""
        together = np.concatenate([self.values, values])
        kept = non_dominated(together)
        if kept[len(self) :].any():
            rows = np.concatenate([self.population.indices, population.indices])[kept]
            self.population, self.values = Population(population.space, rows), together[kept]
