"""What every search algorithm offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ...search_space.population import Population
from .problem import Values


@dataclass(frozen=True)
class Quality:
    """How well scores were predicted before they were known, over `count` of them.

    They are those of the architectures that the search picked, which lie close together near the front, so
    `kendall_tau` is lower than it is over the whole space. `mean_absolute_error` has the objective's unit. `coverage`
    is the share of scores inside their central 90 % interval.
    """

    count: int
    kendall_tau: float
    mean_absolute_error: float
    coverage: float


class Algorithm(ABC):
    """Proposes architectures of a space and learns from their scores.

    What it does depends on its seed and on the sequence of asks and tells alone. Asks may run ahead of tells.
    """

    @abstractmethod
    def ask(self, count: int) -> Population:
        """Up to `count` architectures, feasible and distinct, none of which was ever asked or told before.

        The first ones are the smallest and the largest architecture where they are feasible: the ends of the front.
        There are fewer, even none, only if nothing new was found after a hard try.
        """

    @abstractmethod
    def tell(self, population: Population, values: Values) -> None:
        """The values (architectures, objectives) of architectures, asked for or not; a row of NaN says it failed."""

    def quality(self) -> Quality | None:
        """How well its own predictor foresaw scores so far; None if it has none or has not predicted yet."""
        return None
