"""What the algorithms of Optuna share: a study in memory that proposes and is told.

Every named parameter is suggested in every trial, active or not, so that the parameters of all trials are the same and
a crossover can mix any two. What is infeasible counts for nothing; what is proposed again is told again what it scored
the first time, and costs no evaluation.
"""

from __future__ import annotations

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState

from ...search_space.population import Population
from .algorithm import Algorithm
from .front import ranks
from .problem import Problem, Values
from .unseen import Unseen, row_keys, stack

# Proposals in a row that were nothing new before a neighbour of the last one is taken instead; trials make Optuna slow.
TRIES = 5
NEIGHBOURS = 16


class OptunaSearch(Algorithm):
    """Asks a sampler of Optuna.

    `kept` is how many of the best evaluations of another search are told when they arrive.
    """

    def __init__(self, problem: Problem, sampler: BaseSampler, kept: int, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._problem = problem
        self._kept = kept
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen(problem, self._rng)
        parameters = problem.space.parameters
        self._distributions = {name: CategoricalDistribution(options) for name, options in parameters.items()}
        self._study = optuna.create_study(directions=["minimize"] * len(problem.objectives), sampler=sampler)
        self._waiting: dict[bytes, list[Trial]] = {}
        self._values: dict[bytes, list[float] | None] = {}

    def ask(self, count: int) -> Population:
        parts = [self._unseen.take_ends(count)]
        self._start_with(parts[0])
        missing = count - len(parts[0])
        while missing:
            found = self._proposed()
            if not len(found):
                found = self._unseen.take_sample(1)
                self._start_with(found)
            if not len(found):
                break
            parts.append(found)
            missing -= 1
        return stack(self._problem.space, parts)

    def tell(self, population: Population, values: Values) -> None:
        self._unseen.claim(population)
        strangers: list[int] = []
        for number, (key, row) in enumerate(zip(row_keys(population), values, strict=True)):
            scored = row.tolist() if np.isfinite(row).all() else None
            if key not in self._waiting and key not in self._values and scored:
                strangers.append(number)
            self._values[key] = scored
            for trial in self._waiting.pop(key, []):
                self._settle(trial, scored)
        if strangers:
            self._learn_from(population[np.array(strangers)], values[strangers])

    def _start_with(self, population: Population) -> None:
        """Make trials of architectures that Optuna did not propose."""
        for row, key in enumerate(row_keys(population)):
            self._study.enqueue_trial(self._problem.space.encode(population.architecture(row)))
            self._waiting.setdefault(key, []).append(self._ask()[0])

    def _learn_from(self, population: Population, values: Values) -> None:
        """The best evaluations of another search become trials with their scores."""
        feasible = np.flatnonzero(self._problem.costs(population).violation <= 0)
        best = feasible[np.argsort(ranks(values[feasible]), kind="stable")][: self._kept]
        for row in best:
            self._study.enqueue_trial(self._problem.space.encode(population.architecture(row)))
            self._settle(self._ask()[0], values[row].tolist())

    def _proposed(self) -> Population:
        """One new and feasible architecture; none after many tries."""
        for _ in range(TRIES):
            trial, population = self._ask()
            key = row_keys(population)[0]
            if len(found := self._unseen.take(population, 1)):
                self._waiting[key] = [trial]
                return found
            if key in self._waiting:
                self._waiting[key].append(trial)
            else:
                self._settle(trial, self._values.get(key))
        near = self._unseen.breeder.mutate(population[np.zeros(NEIGHBOURS, dtype=np.intp)], self._rng)
        found = self._unseen.take(near, 1)
        self._start_with(found)
        return found

    def _ask(self) -> tuple[Trial, Population]:
        trial = self._study.ask(fixed_distributions=self._distributions)
        space = self._problem.space
        return trial, Population.of(space, [space.decode(trial.params)])

    def _settle(self, trial: Trial, values: list[float] | None) -> None:
        if values is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, values)
