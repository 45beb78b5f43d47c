"""Regularised evolution for several objectives: the oldest die, and parents are those no rival dominates.

Source: ageing evolution, arXiv 1802.01548; here a tournament is won by any of its members that no other dominates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...search_space.population import Population
from .algorithm import Algorithm
from .front import Front
from .problem import Problem, Values
from .settings import AlgorithmSettings
from .unseen import Unseen, stack

CROSSED = 0.8
FROM_FRONT = 0.8


class Evolution(Algorithm):
    """Breeds from the latest `population` architectures told, and from the front."""

    def __init__(self, problem: Problem, settings: AlgorithmSettings, seed: int) -> None:
        self._problem = problem
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen(problem, self._rng)
        self._living, self._values = self._unseen.empty, np.empty((0, len(problem.objectives)))
        self._front = Front(self._unseen.empty, len(problem.objectives))

    def ask(self, count: int) -> Population:
        parts = [self._unseen.take_ends(count)]
        beginners = self._settings.population - len(self._unseen)
        parts.append(self._unseen.take_sample(min(max(0, beginners), count - len(parts[0]))))
        missing = count - sum(map(len, parts))
        if len(self._living):
            parts.append(self._unseen.take_bred(missing, self._children))
        else:
            parts.append(self._unseen.take_sample(missing))
        return stack(self._problem.space, parts)

    def tell(self, population: Population, values: Values) -> None:
        population, values = self._unseen.told(population, values)
        self._front.add(population, values)
        latest = slice(-self._settings.population, None)
        self._living = stack(population.space, [self._living, population])[latest]
        self._values = np.concatenate([self._values, values])[latest]

    def _children(self, count: int) -> Population:
        """Mutated parents, most of them crossed before; more than `count`, as some will be known or infeasible."""
        breeder, tried = self._unseen.breeder, 2 * count + 8
        first, second = self._parents(tried), self._parents(tried)
        crossed = breeder.crossover(first, second, self._rng).indices
        mixed = np.where(self._rng.random((tried, 1)) < CROSSED, crossed, first.indices)
        return breeder.mutate(Population(self._problem.space, mixed), self._rng)

    def _parents(self, count: int) -> Population:
        elite = self._front.population.indices[self._rng.integers(len(self._front), size=count)]
        winners = self._living.indices[self._winners(count)]
        return Population(self._problem.space, np.where(self._rng.random((count, 1)) < FROM_FRONT, elite, winners))

    def _winners(self, count: int) -> NDArray[np.intp]:
        """Of every tournament's random few of the living, one that none of them dominates."""
        rivals = self._rng.integers(len(self._living), size=(count, self._settings.tournament))
        own, others = self._values[rivals][:, :, None], self._values[rivals][:, None]
        dominated = np.all(others <= own, axis=3) & np.any(others < own, axis=3)
        beaten = dominated.any(axis=2)
        won = np.where(beaten, -1.0, self._rng.random(rivals.shape)).argmax(axis=1)
        return rivals[np.arange(count), won]
