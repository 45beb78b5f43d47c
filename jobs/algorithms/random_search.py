"""Random search: every choice uniform, one after the other."""

from __future__ import annotations

import numpy as np

from ...search_space.population import Population
from .algorithm import Algorithm
from .problem import Problem, Values
from .settings import AlgorithmSettings
from .unseen import Unseen, stack


class RandomSearch(Algorithm):
    """Draws architectures at random, each at most once."""

    def __init__(self, problem: Problem, settings: AlgorithmSettings, seed: int) -> None:
        self._unseen = Unseen(problem, np.random.default_rng(seed))

    def ask(self, count: int) -> Population:
        ends = self._unseen.take_ends(count)
        return stack(ends.space, [ends, self._unseen.take_sample(count - len(ends))])

    def tell(self, population: Population, values: Values) -> None:
        self._unseen.claim(population)
