"""Architectures that are feasible and new: what any algorithm may propose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...search_space import SearchSpace
from ...search_space.breeding import Breeder
from ...search_space.population import Population
from .problem import Costs, Problem, Values

DRAWN = 1024
ROUNDS = 32
BREEDINGS = 16
NEAR = 256
# Spaces up to this size are listed once random draws find nothing new.
LISTED = 50_000


class Unseen:
    """Keeps what was asked or told, and draws what was not."""

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        self.problem = problem
        self.breeder = Breeder(problem.space)
        self._rng = rng
        self._seen: set[bytes] = set()
        self._ends = Population.of(problem.space, [problem.space.smallest(), problem.space.largest()]).distinct()
        self.empty = self._ends[:0]
        self._stock = self._near = self.empty
        self._left: Population | None = None

    def __len__(self) -> int:
        """How many architectures were asked or told."""
        return len(self._seen)

    def claim(self, population: Population) -> None:
        """These are asked or told: they are never open again."""
        self._seen.update(row_keys(population))

    def new(self, population: Population) -> Population:
        """Those of a population that were never claimed, each once."""
        seen = self._seen
        first: dict[bytes, int] = {}
        for number, key in enumerate(row_keys(population)):
            if key not in seen:
                first.setdefault(key, number)
        if len(first) == len(population):
            return population
        return population[np.fromiter(first.values(), dtype=np.intp)]

    def open(self, population: Population) -> tuple[Population, Costs]:
        """Those of a population that are new and feasible, each once, with their costs."""
        new = self.new(population)
        costs = self.problem.costs(new)
        feasible = costs.violation <= 0
        return (new, costs) if feasible.all() else (new[feasible], costs[feasible])

    def take(self, population: Population, count: int) -> Population:
        """The first `count` of a population that are new and feasible, claimed."""
        if not count or not len(population):
            return self.empty
        open_, _ = self.open(population)
        taken = open_ if len(open_) <= count else open_[:count]
        self.claim(taken)
        return taken

    def take_ends(self, count: int) -> Population:
        """Of the smallest and the largest architecture those that were not given yet, claimed."""
        ends, self._ends = self._ends[:count], self._ends[count:]
        return self.take(ends, count)

    def take_sample(self, count: int) -> Population:
        """Drawn as `Breeder.sample` draws them and claimed; fewer only if nothing new was found after a hard try.

        Where feasible ones are rare they are bred from those that break the constraints least.
        """
        if not count:
            return self.empty
        parts = [self.take(self._stock[:count], count)]
        self._stock = self._stock[count:]
        for _ in range(ROUNDS):
            missing = count - sum(map(len, parts))
            if not missing:
                break
            found = self._draw()
            parts.append(found[:missing])
            self.claim(parts[-1])
            self._stock = found[missing:]
        else:
            parts.append(self.take(self._listed(), count - sum(map(len, parts))))
        return stack(self.problem.space, parts)

    def take_bred(self, count: int, breed: Callable[[int], Population]) -> Population:
        """As many as there are among what `breed` makes when it is told how many are missing, the rest as a sample."""
        parts: list[Population] = [self.empty]
        for _ in range(BREEDINGS):
            missing = count - sum(map(len, parts))
            if not missing:
                break
            parts.append(self.take(breed(missing), missing))
        parts.append(self.take_sample(count - sum(map(len, parts))))
        return stack(self.problem.space, parts)

    def told(self, population: Population, values: Values) -> tuple[Population, Values]:
        """Claim what is told; of it those that were scored and keep the constraints.

        Those of another search may break them.
        """
        self.claim(population)
        good = np.isfinite(values).all(axis=1) & (self.problem.costs(population).violation <= 0)
        return population[good], values[good]

    def _draw(self) -> Population:
        drawn = self.breeder.sample(DRAWN, self._rng)
        if len(self._near):
            bred = self.breeder.mutate(self._near[self._rng.integers(len(self._near), size=DRAWN)], self._rng)
            drawn = stack(self.problem.space, [drawn, bred])
        new = self.new(drawn)
        violation = self.problem.costs(new).violation
        if (violation > 0).sum() > 0.95 * len(new):
            self._remember(new, violation)
        return new[violation <= 0]

    def _remember(self, drawn: Population, violation: NDArray[np.float64]) -> None:
        """Keep those that break the constraints least: their neighbours may keep them."""
        together = stack(self.problem.space, [self._near, drawn]).distinct()
        violation = self.problem.costs(together).violation
        self._near = together[np.argsort(violation, kind="stable")[:NEAR]]

    def _listed(self) -> Population:
        """Everything of a small space that is open, in random order; nothing of a large one."""
        space = self.problem.space
        if self._left is None and space.count() > LISTED:
            self._left = self.empty
        elif self._left is None:
            every, _ = self.open(Population.of(space, list(space.enumerate())))
            self._left = every[self._rng.permutation(len(every))]
        assert self._left is not None
        self._left = self.new(self._left)
        return self._left


def row_keys(population: Population) -> list[bytes]:
    """A key of each architecture: equal for equal ones."""
    indices = np.ascontiguousarray(population.indices)
    return indices.view(f"V{indices.shape[1] * indices.itemsize}").ravel().tolist()


def stack(space: SearchSpace, parts: Sequence[Population]) -> Population:
    """Populations of a space, one after the other."""
    parts = [part for part in parts if len(part)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    return Population(space, np.concatenate([part.indices for part in parts]))
