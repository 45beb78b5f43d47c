"""Greedy, cost-driven slimming: from the largest architecture down, one small step at a time.

Source: the latency-driven slimming of EfficientFormer, arXiv 2206.01191; here every step is scored with the supernet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...search_space.population import Population
from .algorithm import Algorithm
from .front import Front
from .problem import Problem, Values
from .settings import AlgorithmSettings
from .unseen import Unseen, row_keys, stack

# Neighbours scored before a step is taken, and how many mutations are drawn per choice to find the small steps.
NEIGHBOURS = 8
DRAWS = 12
STEPS_TO_FEASIBLE = 1000


class Slimming(Algorithm):
    """Steps to the neighbour that loses least score per cost saved, the costs by their mean logarithm.

    Whenever a step waits for its scores, and when there is no way further down, neighbours of the front are proposed.

    Raises:
        InputError: no objective is known without scoring.
    """

    def __init__(self, problem: Problem, settings: AlgorithmSettings, seed: int) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen(problem, self._rng)
        self._front = Front(self._unseen.empty, len(problem.objectives))
        self._values: dict[bytes, Values] = {}
        largest = Population.of(problem.space, [problem.space.largest()])
        self._scored = np.isnan(problem.costs(largest).values[0])
        if self._scored.all():
            raise InputError(
                f"algorithm: slimming needs an objective that is known without scoring; got {problem.objectives}"
            )
        self._at: Population | None = None
        self._candidates = self._feasible_from(largest)

    def ask(self, count: int) -> Population:
        parts = [self._unseen.take_ends(count)]
        self._go_down()
        parts.append(self._unseen.take(self._candidates, count - len(parts[0])))
        missing = count - sum(map(len, parts))
        if len(self._front):
            parts.append(self._unseen.take_bred(missing, self._near_front))
        else:
            parts.append(self._unseen.take_sample(missing))
        return stack(self._problem.space, parts)

    def tell(self, population: Population, values: Values) -> None:
        self._values.update(zip(row_keys(population), values, strict=True))
        self._front.add(*self._unseen.told(population, values))

    def _go_down(self) -> None:
        """Step down while the scores of all candidates are known."""
        while len(self._candidates) and all(key in self._values for key in row_keys(self._candidates)):
            at = self._best_candidate()
            steps = self._smaller_steps(at) if at is not None else self._unseen.empty
            feasible = steps[self._problem.costs(steps).violation <= 0]
            self._at, self._candidates = at, feasible[self._rng.permutation(len(feasible))[:NEIGHBOURS]]

    def _best_candidate(self) -> Population | None:
        """The one that lost least per cost saved; None if all failed."""
        values = np.array([self._values[key] for key in row_keys(self._candidates)])
        good = np.isfinite(values).all(axis=1)
        candidates, values = self._candidates[good], values[good]
        if self._at is None or not len(candidates):
            return candidates[:1] if len(candidates) else None
        here = self._values[row_keys(self._at)[0]][self._scored]
        lost = ((values[:, self._scored] - here) / np.maximum(np.abs(here), 1e-12)).mean(axis=1)
        saved = self._log_cost(self._at) - self._log_cost(candidates)
        return candidates[[int((lost / saved).argmin())]]

    def _feasible_from(self, at: Population) -> Population:
        """The first architecture that keeps the constraints on the steepest way down; none if the way ends before."""
        for _ in range(STEPS_TO_FEASIBLE):
            if self._problem.costs(at).violation[0] <= 0:
                return at
            steps = self._smaller_steps(at)
            if not len(steps):
                break
            at = steps[[int(self._problem.costs(steps).violation.argmin())]]
        return self._unseen.empty

    def _smaller_steps(self, at: Population) -> Population:
        """For every choice the change that saves least."""
        copies = at[np.zeros(DRAWS * at.indices.shape[1], dtype=np.intp)]
        drawn = self._unseen.breeder.mutate(copies, self._rng).distinct()
        saved = self._log_cost(at) - self._log_cost(drawn)
        drawn, saved = drawn[saved > 0], saved[saved > 0]
        changed = (drawn.indices != at.indices).argmax(axis=1)
        order = np.lexsort([saved, changed])
        return drawn[order[np.unique(changed[order], return_index=True)[1]]]

    def _near_front(self, count: int) -> Population:
        """Neighbours of the front, more than `count` of them, as some will be known or infeasible."""
        rows = self._rng.integers(len(self._front), size=4 * count + 8)
        return self._unseen.breeder.mutate(self._front.population[rows], self._rng)

    def _log_cost(self, population: Population) -> NDArray[np.float64]:
        """The mean logarithm of the known costs."""
        costs = self._problem.costs(population).values[:, ~self._scored]
        return np.log(np.maximum(costs, 1e-12)).mean(axis=1)
