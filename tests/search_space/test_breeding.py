"""Populations drawn, mutated and crossed: members of the space, distributed as the space says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest

from frontier.errors import InputError
from frontier.search_space import Architecture, SearchSpace, preset_names
from frontier.search_space.breeding import Breeder
from frontier.search_space.operators.choices import Value
from frontier.search_space.population import Population

# One attention head cannot have two heads of keys and values, so its geometries are not equally likely.
TEXT: dict[str, Any] = {
    "name": "text",
    "width": [24, 40],
    "depth": [1, 2],
    "token_mixers": [
        {"kind": "attention", "num_heads": [1, 2], "num_kv_heads": [1, 2], "head_dim": 8},
        {"kind": "none"},
    ],
    "channel_mixers": [{"kind": "gelu_mlp", "inner": 17}, {"kind": "none"}],
    "hidden": [{"kind": "dense"}, {"kind": "mohd", "group_size": 8, "shared": [1, 2], "routed": 0}],
}
PATTERN: dict[str, Any] = {
    "name": "pattern",
    "width": 24,
    "depth": [1, 2, 3],
    "token_mixers": [
        {"kind": "causal_conv", "channels": [9, 17], "kernel_size": [3, 5]},
        {"kind": "none"},
    ],
    "channel_mixers": [{"kind": "swiglu", "inner": [5, 7]}],
    "residual": ["sequential", "ladder"],
    "pattern": {"place": {"kind": "causal_conv", "kernel_size": 5}, "at": ["last 1", "every 1", "none"]},
}
IMAGE: dict[str, Any] = {
    "name": "image",
    "stages": [{"width": [8, 16], "depth": [1, 2]}, {"width": 24, "depth": [1, 2]}],
    "token_mixers": [{"kind": "pooling", "window": [3, 5]}, {"kind": "none"}],
    "channel_mixers": [{"kind": "squared_relu", "inner": 17}],
}
EXHAUSTED = {raw["name"]: raw for raw in (TEXT, PATTERN, IMAGE)}


@pytest.fixture(params=EXHAUSTED)
def small(request: pytest.FixtureRequest) -> SearchSpace:
    return SearchSpace.parse(EXHAUSTED[request.param])


@pytest.fixture(params=[*preset_names(), *EXHAUSTED])
def space(request: pytest.FixtureRequest) -> SearchSpace:
    name = request.param
    return SearchSpace.parse(EXHAUSTED[name]) if name in EXHAUSTED else SearchSpace.load(name)


def members(population: Population) -> Iterator[Architecture]:
    return (population.architecture(row) for row in range(len(population)))


def chances(space: SearchSpace) -> dict[Architecture, float]:
    """How likely `SearchSpace.sample` draws each architecture: every sequence of answers is tried."""
    found: Counter[Architecture] = Counter()
    pending: list[list[int]] = [[]]
    while pending:
        path, taken, chance = pending.pop(), [], 1.0

        def choose(_: str, options: tuple[Value, ...], path: list[int] = path, taken: list[int] = taken) -> Value:
            nonlocal chance
            if len(taken) == len(path):
                pending.extend([*taken, other] for other in range(1, len(options)))
                path.append(0)
            taken.append(path[len(taken)])
            chance /= len(options)
            return options[taken[-1]]

        architecture = space.build(choose)
        found[architecture] += chance  # type: ignore[assignment]
    return dict(found)


def test_sampling_is_distributed_as_the_space_samples(small: SearchSpace) -> None:
    expected, count = chances(small), 100_000
    assert sum(expected.values()) == pytest.approx(1)
    population = Breeder(small).sample(count, np.random.default_rng(0))
    rows, seen = np.unique(population.indices, axis=0, return_counts=True)
    counts = dict(zip(members(Population(small, rows)), seen.tolist(), strict=True))
    assert counts.keys() == expected.keys()
    chi_square = sum((counts[one] - count * chance) ** 2 / (count * chance) for one, chance in expected.items())
    freedom = len(expected) - 1
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5


def test_samples_mutants_and_children_are_members(space: SearchSpace) -> None:
    breeder, rng = Breeder(space), np.random.default_rng(1)
    first, second = breeder.sample(63, rng), breeder.sample(63, rng)
    for _ in range(3):
        mutants = breeder.mutate(first, rng)
        children = breeder.crossover(mutants, second, rng)
        assert (mutants.indices != first.indices).any(axis=1).all()
        for population in (first, mutants, children):
            written = Population.of(space, list(members(population)))
            assert np.array_equal(written.indices, population.indices)
        first, second = children, first


def test_a_mutant_differs_in_one_choice_and_each_is_reached() -> None:
    space = SearchSpace.parse({**TEXT, "depth": 2, "token_mixers": TEXT["token_mixers"][:1]})
    everything = Population.of(space, list(space.enumerate())).indices
    parent = Population.of(space, [space.sample(Random(3))])
    near = {tuple(row) for row in everything[(everything != parent.indices).sum(axis=1) == 1]}
    mutants = Breeder(space).mutate(parent[np.zeros(2000, dtype=int)], np.random.default_rng(0))
    assert {tuple(row) for row in mutants.indices} == near
    changed = Counter(np.nonzero(mutants.indices != parent.indices)[1].tolist())
    columns = sorted({int(np.nonzero(np.array(row) != parent.indices[0])[0][0]) for row in near})
    assert sorted(changed) == columns
    assert min(changed.values()) > 0.75 * 2000 / len(columns)


def test_the_only_architecture_has_no_neighbour() -> None:
    space = SearchSpace.parse({**IMAGE, "stages": [{"width": 8, "depth": 1}], "token_mixers": [{"kind": "none"}]})
    assert space.count() == 1
    breeder, rng = Breeder(space), np.random.default_rng(0)
    population = breeder.sample(3, rng)
    assert np.array_equal(breeder.mutate(population, rng).indices, population.indices)


def test_a_child_has_nothing_that_neither_parent_has() -> None:
    space, rng = SearchSpace.load("everything-lm"), np.random.default_rng(2)
    breeder = Breeder(space)
    first, second = breeder.sample(500, rng), breeder.sample(500, rng)
    children = breeder.crossover(first, second, rng).indices
    present = children != -1
    from_either = (children == first.indices) | (children == second.indices)
    assert (from_either | ~present).all()
    columns = first.columns
    halves = [np.where(one.indices == children, 1, 0) for one in (first, second)]
    whole = [half[:, columns.token] & half[:, columns.channel] for half in halves]
    assert ((whole[0] | whole[1]).astype(bool) | ~present[:, columns.token]).all()
    assert (children != first.indices).any(axis=1).mean() > 0.9


def test_the_same_seed_draws_the_same(space: SearchSpace) -> None:
    def bred(seed: int) -> np.ndarray:
        breeder, rng = Breeder(space), np.random.default_rng(seed)
        first = breeder.sample(40, rng)
        return breeder.crossover(first, breeder.mutate(first, rng), rng).indices

    assert np.array_equal(bred(5), bred(5))
    assert not np.array_equal(bred(5), bred(6))


def test_parents_that_do_not_fit_are_refused() -> None:
    breeder, rng = Breeder(SearchSpace.parse(TEXT)), np.random.default_rng(0)
    population = breeder.sample(3, rng)
    stranger = Breeder(SearchSpace.parse(IMAGE)).sample(3, rng)
    with pytest.raises(InputError, match="of the space text; got one of image"):
        breeder.mutate(stranger, rng)
    with pytest.raises(InputError, match="of the space text; got one of image"):
        breeder.crossover(population, stranger, rng)
    with pytest.raises(InputError, match="as many parents as the first, 3; got 2"):
        breeder.crossover(population, population[:2], rng)
