"""What a search algorithm is given: a space, what is minimised, and what is known of architectures beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...search_space import SearchSpace
from ...search_space.population import Population

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Costs:
    """What is known of a population without scoring it.

    `values` is a matrix of architectures by objectives, NaN in the columns that only scoring tells. `violation` says
    of every architecture by how much it breaks the constraints: the sum of max(0, value / limit - 1), 0 where feasible.
    """

    values: Values
    violation: Values

    def __getitem__(self, rows: NDArray | slice) -> Costs:
        """The rows that a slice, a mask or an array of row numbers picks."""
        return Costs(self.values[rows], self.violation[rows])


@dataclass(frozen=True, eq=False)
class Problem:
    """A search: every one of `objectives` is minimised, and at least one of them is only known by scoring.

    `costs` is fast: some 100,000 architectures a second.
    """

    space: SearchSpace
    objectives: tuple[str, ...]
    costs: Callable[[Population], Costs]
