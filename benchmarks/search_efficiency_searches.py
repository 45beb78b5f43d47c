"""One search by a named searcher: the algorithms of Frontier, and Optuna and pymoo used directly.

Used directly, a searcher is asked for parameters and told values; what it asks for twice is scored twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from search_efficiency_objective import Objective

from frontier.jobs.algorithms import ALGORITHMS, AlgorithmSettings, open_algorithm
from frontier.search_space.population import Population

Values = NDArray[np.float64]
Search = Callable[[Objective, int, int], Iterator[Values]]
POPULATION = 40
ASKED_AT_ONCE = 4


def ours(name: str) -> Search:
    """An algorithm of Frontier, four architectures at a time, none of them ahead."""

    def search(objective: Objective, evaluations: int, seed: int) -> Iterator[Values]:
        algorithm = open_algorithm(name, objective.problem, AlgorithmSettings(population=POPULATION), seed)
        done = 0
        while done < evaluations:
            population = algorithm.ask(min(ASKED_AT_ONCE, evaluations - done))
            if not len(population):
                return
            values = objective.score(population)
            algorithm.tell(population, values)
            done += len(population)
            yield values

    return search


def direct_optuna(sampler: Callable[[int], BaseSampler]) -> Search:
    """A study of Optuna."""

    def search(objective: Objective, evaluations: int, seed: int) -> Iterator[Values]:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space = objective.problem.space
        distributions = {name: CategoricalDistribution(options) for name, options in space.parameters.items()}
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler(seed))
        for _ in range(evaluations):
            trial = study.ask(fixed_distributions=distributions)
            values = objective.score(Population.of(space, [space.decode(trial.params)]))
            study.tell(trial, values[0].tolist())
            yield values

    return search


def direct_pymoo(objective: Objective, evaluations: int, seed: int) -> Iterator[Values]:
    """NSGA-II of pymoo on whole numbers: which option of every parameter is taken."""
    from pymoo.algorithms.moo.nsga2 import NSGA2  # an optional package
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling

    space = objective.problem.space
    parameters = space.parameters
    highest = np.array([len(options) - 1 for options in parameters.values()])
    algorithm = NSGA2(
        pop_size=POPULATION,
        sampling=IntegerRandomSampling(),
        crossover=SBX(vtype=float, repair=RoundingRepair()),
        mutation=PM(vtype=float, repair=RoundingRepair()),
    )
    problem = Problem(n_var=len(highest), n_obj=2, xl=0, xu=highest, vtype=int)
    algorithm.setup(problem, seed=seed, verbose=False)
    done = 0
    while done < evaluations:
        asked = algorithm.ask()
        chosen = [
            space.decode({name: options[index] for (name, options), index in zip(parameters.items(), row, strict=True)})
            for row in asked.get("X").astype(int)
        ]
        values = objective.score(Population.of(space, chosen))
        asked.set("F", values)
        algorithm.tell(infills=asked)
        done += len(values)
        yield values


SEARCHES: dict[str, Search] = {
    **{name: ours(name) for name in ALGORITHMS},
    "Optuna NSGA-II, direct": direct_optuna(lambda seed: NSGAIISampler(population_size=POPULATION, seed=seed)),
    "Optuna TPE, direct": direct_optuna(lambda seed: TPESampler(seed=seed)),
    "pymoo NSGA-II, direct": direct_pymoo,
}
