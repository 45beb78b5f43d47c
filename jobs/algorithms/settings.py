"""The settings of search algorithms."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError

LEAST = {"population": 2, "tournament": 1, "initial": 2, "screened": 16, "trained_on": 16}


@dataclass(frozen=True)
class AlgorithmSettings:
    """Settings that algorithms may use; each reads those it knows.

    `population` is that of nsga2, nsga3 and evolution, `tournament` how many of it compete to be a parent in evolution.
    The others are the predictor's: `initial` random architectures are scored before it trusts its model, `screened`
    architectures are looked at to pick the next ones, and the model learns from at most `trained_on` evaluations.

    Raises:
        InputError: a setting is too small.
    """

    population: int = 40
    tournament: int = 8
    initial: int = 16
    screened: int = 4096
    trained_on: int = 600

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise InputError(f"{name}: at least {least}; got {getattr(self, name)}")
