"""NSGA-II of Optuna.  Source: Deb et al., IEEE Transactions on Evolutionary Computation 6(2), 2002."""

from __future__ import annotations

from optuna.samplers import NSGAIISampler

from .optuna_search import OptunaSearch
from .problem import Problem
from .settings import AlgorithmSettings


class NSGA2(OptunaSearch):
    """Generations of `settings.population`; survivors are on early fronts and far from their like."""

    def __init__(self, problem: Problem, settings: AlgorithmSettings, seed: int) -> None:
        sampler = NSGAIISampler(population_size=settings.population, seed=seed)
        super().__init__(problem, sampler, settings.population, seed)
