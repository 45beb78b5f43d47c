"""NSGA-III of Optuna.  Source: Deb and Jain, IEEE Transactions on Evolutionary Computation 18(4), 2014."""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import NSGAIIISampler

from .optuna_search import OptunaSearch
from .problem import Problem
from .settings import AlgorithmSettings


class NSGA3(OptunaSearch):
    """Generations of `settings.population`; survivors are on early fronts and near evenly spread directions."""

    def __init__(self, problem: Problem, settings: AlgorithmSettings, seed: int) -> None:
        with warnings.catch_warnings():
            # Optuna may still change it; the pinned version is what is tested here.
            warnings.simplefilter("ignore", ExperimentalWarning)
            sampler = NSGAIIISampler(population_size=settings.population, seed=seed)
        super().__init__(problem, sampler, settings.population, seed)
