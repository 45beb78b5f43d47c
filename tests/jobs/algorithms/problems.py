"""Searches whose scores are a formula, on small spaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frontier.jobs.algorithms import Algorithm, Costs, Problem
from frontier.jobs.algorithms.unseen import row_keys
from frontier.search_space import SearchSpace
from frontier.search_space.population import ABSENT, Columns, Population

Values = NDArray[np.float64]


def small_space(max_depth: int = 3) -> SearchSpace:
    """4,602 architectures of up to three layers, 102 of up to one."""
    return SearchSpace.parse(
        {
            "name": "small",
            "width": [16, 24, 32],
            "depth": list(range(1, max_depth + 1)),
            "token_mixers": [
                {"kind": "attention", "num_heads": [1, 2], "num_kv_heads": 1, "head_dim": 16, "window": [8, None]},
                {"kind": "causal_conv", "channels": [16, 32], "kernel_size": 3},
                {"kind": "none"},
            ],
            "channel_mixers": [{"kind": "swiglu", "inner": [16, 32]}, {"kind": "none"}],
        }
    )


@dataclass(frozen=True, eq=False)
class Known:
    """A problem and the formula of its scores."""

    problem: Problem
    values: Callable[[Population], Values]

    def infeasible(self, population: Population) -> NDArray[np.bool_]:
        return self.problem.costs(population).violation > 0


def known(space: SearchSpace, objectives: tuple[str, ...] = ("val_loss", "latency_ms"), limit: float = np.inf) -> Known:
    """Losses that fall with size, with noise by architecture; costs that rise with it, at most `limit`."""
    columns = Columns.of(space)
    worth = np.random.default_rng(0).uniform(0.0, 1.0, size=(len(columns.names), max(columns.option_counts)))
    size = np.arange(1, max(columns.option_counts) + 1)[None] * np.linspace(1.0, 2.0, len(columns.names))[:, None]

    def total(table: Values, population: Population) -> Values:
        rows = np.arange(len(columns.names))
        present = population.indices != ABSENT
        return np.where(present, table[rows, population.indices], 0.0).sum(axis=1)

    def costs(population: Population) -> Costs:
        latency = total(size, population)
        by_name = {
            "val_loss": np.full(len(population), np.nan),
            "latency_ms": latency,
            "param_count": latency**2 + 3 * total(worth, population),
        }
        violation = np.maximum(0.0, latency / limit - 1)
        return Costs(np.column_stack([by_name[name] for name in objectives]), violation)

    def values(population: Population) -> Values:
        found = costs(population).values
        capacity = total(worth, population) + 0.1 * total(size, population)
        found[:, objectives.index("val_loss")] = 4 / (1 + capacity)
        return found

    return Known(Problem(space, objectives, costs), values)


def search(algorithm: Algorithm, problem: Known, evaluations: int, batch: int = 4) -> tuple[Population, Values]:
    """What is asked for in batches, each told before the next, and its values."""
    asked, values = [], []
    while sum(map(len, asked)) < evaluations:
        population = algorithm.ask(min(batch, evaluations - sum(map(len, asked))))
        if not len(population):
            break
        asked.append(population)
        values.append(problem.values(population))
        algorithm.tell(population, values[-1])
    space = problem.problem.space
    return Population(space, np.concatenate([one.indices for one in asked])), np.concatenate(values)


def doubles(population: Population) -> int:
    """How many rows are there for the second time."""
    return len(population) - len(set(row_keys(population)))
