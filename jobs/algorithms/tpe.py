"""Tree-structured Parzen estimators of Optuna.  Source: Ozaki et al., GECCO 2020, for several objectives."""

from __future__ import annotations

from optuna.samplers import TPESampler

from .optuna_search import OptunaSearch
from .problem import Problem
from .settings import AlgorithmSettings


class TPE(OptunaSearch):
    """Models where good and where other architectures lie. Its time per proposal grows with what it was told."""

    def __init__(self, problem: Problem, settings: AlgorithmSettings, seed: int) -> None:
        sampler = TPESampler(seed=seed, multivariate=True)
        super().__init__(problem, sampler, settings.population, seed)
