"""Populations as integers: what rows mean, and what is refused."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from frontier.errors import InputError
from frontier.search_space import SearchSpace, preset_names
from frontier.search_space.population import Population

SMALL: dict[str, Any] = {
    "name": "small",
    "width": [24, 40],
    "depth": [1, 3],
    "token_mixers": [{"kind": "causal_conv", "channels": 33, "kernel_size": [3, 5]}, {"kind": "none"}],
    "channel_mixers": [{"kind": "swiglu", "inner": [17]}, {"kind": "none"}],
    "residual": ["sequential", "parallel"],
    "pattern": {"place": {"kind": "causal_conv", "kernel_size": 5}, "at": ["all", "last 1", "first 1", "none"]},
}


@pytest.fixture(params=[*preset_names(), "small"])
def space(request: pytest.FixtureRequest) -> SearchSpace:
    return SearchSpace.parse(SMALL) if request.param == "small" else SearchSpace.load(request.param)


def test_architectures_come_back(space: SearchSpace) -> None:
    rng = Random(0)
    architectures = [space.sample(rng) for _ in range(63)]
    population = Population.of(space, architectures)
    assert len(population) == 63
    assert [population.architecture(row) for row in range(63)] == architectures


def test_equal_rows_are_equal_architectures() -> None:
    space = SearchSpace.parse(SMALL)
    everything = list(space.enumerate())
    rows = {tuple(row) for row in Population.of(space, everything).indices}
    assert len(rows) == len(everything) == space.count()


def test_parts_and_distinct_rows(space: SearchSpace) -> None:
    rng = Random(1)
    population = Population.of(space, [space.sample(rng) for _ in range(40)])
    doubled = population[np.array([*range(40), *range(39, -1, -1)])]
    digests = [doubled.architecture(row).digest for row in range(80)]
    distinct = doubled.distinct()
    assert [distinct.architecture(row).digest for row in range(len(distinct))] == list(dict.fromkeys(digests))
    assert doubled[-1:].architecture(0) == population.architecture(0)
    assert len(Population.of(space, []).distinct()) == 0


def test_what_is_no_population_is_refused() -> None:
    space = SearchSpace.parse(SMALL)
    good = Population.of(space, [next(space.enumerate())]).indices

    def changed(column: int, value: int) -> np.ndarray:
        indices = good.copy()
        indices[0, column] = value
        return indices

    with pytest.raises(InputError, match=r"11 columns; got the shape \(1, 10\)"):
        Population(space, good[:, 1:])
    with pytest.raises(InputError, match="int16; got float64"):
        Population(space, good.astype(np.float64))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="width is from 0 to 1; got 2"):
        Population(space, changed(0, 2))
    with pytest.raises(InputError, match="depth is from 0 to 1; got -1"):
        Population(space, changed(1, -1))
    with pytest.raises(InputError, match=r"blocks\.0\.token_mixer is from -1 to 2; got 3"):
        Population(space, changed(5, 3))
    with pytest.raises(InputError, match=r"blocks\.1\.token_mixer of row 0 is -1, .*; got 0"):
        Population(space, changed(6, 0))
    with pytest.raises(InputError, match=r"blocks\.0\.channel_mixer of row 0 is an option; got -1"):
        Population(space, changed(8, -1))
    with pytest.raises(InputError, match="is not in space small: "):
        Population.of(space, [SearchSpace.load("tiny-lm").sample(Random(0))])
