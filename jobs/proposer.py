"""Who proposes architectures: Optuna, in memory. The ledger is the record; a study is rebuilt by replaying it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from ..search_space import Architecture, SearchSpace
from .config import SearchConfig


def _nsga2(config: SearchConfig, seed: int) -> BaseSampler:
    return NSGAIISampler(population_size=config.population, seed=seed)


def _tpe(config: SearchConfig, seed: int) -> BaseSampler:
    return TPESampler(seed=seed, multivariate=True, warn_independent_sampling=False)


def _random(config: SearchConfig, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


SAMPLERS: dict[str, Callable[[SearchConfig, int], BaseSampler]] = {
    "nsga2": _nsga2,
    "tpe": _tpe,
    "random": _random,
}


@dataclass(frozen=True)
class Proposal:
    """An architecture, and the trial that its result is told to."""

    trial: Trial
    architecture: Architecture


class Proposer:
    """Proposes architectures of a space for several minimised objectives.

    Every named parameter is suggested in every trial, active or not, so that the parameters of all trials are the
    same and a crossover can mix any two. The first proposals are the smallest and the largest architecture: the ends
    of the front.
    """

    def __init__(self, space: SearchSpace, objectives: int, config: SearchConfig, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._distributions = {name: CategoricalDistribution(options) for name, options in space.parameters.items()}
        self._study = optuna.create_study(
            directions=["minimize"] * objectives, sampler=SAMPLERS[config.sampler](config, seed)
        )
        for architecture in (space.smallest(), space.largest()):
            self._study.enqueue_trial(space.encode(architecture))

    def ask(self) -> Proposal:
        trial = self._study.ask(fixed_distributions=self._distributions)
        return Proposal(trial, self._space.decode(trial.params))

    def tell(self, proposal: Proposal, values: list[float]) -> None:
        """The objective values of a proposal, in the order of the job's objectives."""
        self._study.tell(proposal.trial, values)

    def reject(self, proposal: Proposal) -> None:
        """The proposal breaks a constraint or could not be scored: it counts for nothing."""
        self._study.tell(proposal.trial, state=TrialState.FAIL)
