"""Fronts and hypervolume against definitions written out."""

from __future__ import annotations

import numpy as np
import pytest

from frontier.db.hypervolume import dominated_volume
from frontier.jobs.algorithms.front import Front, non_dominated, ranks
from frontier.search_space.breeding import Breeder

from .problems import small_space


def dominated_by_definition(values: np.ndarray) -> np.ndarray:
    """Whether another row is nowhere worse and somewhere better, or equal and earlier."""
    no_worse = (values[:, None] <= values[None]).all(axis=2)
    better = no_worse & (values[:, None] < values[None]).any(axis=2)
    earlier = np.tri(len(values), k=-1, dtype=bool).T & no_worse & no_worse.T
    return (better | earlier).any(axis=0)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 63, 200])
def test_the_front_is_what_nothing_dominates(objectives: int, count: int) -> None:
    # Few levels, so that there are ties and equal rows.
    values = np.random.default_rng(count).integers(0, 7, size=(count, objectives)).astype(float)
    assert (non_dominated(values) == ~dominated_by_definition(values)).all()


def test_fronts_are_peeled_off_one_by_one() -> None:
    # Of equal rows the second is on a later front.
    values = np.array([[1.0, 4.0], [2.0, 2.0], [2.0, 3.0], [4.0, 1.0], [4.0, 4.0], [2.0, 2.0]])
    assert ranks(values).tolist() == [0, 0, 2, 0, 3, 1]


def test_a_front_told_bit_by_bit_equals_the_front_of_all() -> None:
    rng = np.random.default_rng(0)
    population = Breeder(small_space()).sample(90, rng)
    values = rng.integers(0, 20, size=(90, 3)).astype(float)
    front = Front(population[:0], 3)
    for start in range(0, 90, 7):
        front.add(population[start : start + 7], values[start : start + 7])
    kept = non_dominated(values)
    assert sorted(map(tuple, front.values)) == sorted(map(tuple, values[kept]))
    assert len(front.population) == kept.sum()


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_hypervolume_is_the_number_of_dominated_cells(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    side = 9
    for count in (1, 5, 40):
        values = rng.integers(0, side + 2, size=(count, objectives)).astype(float)
        cells = np.stack(np.meshgrid(*[np.arange(side)] * objectives, indexing="ij"), axis=-1).reshape(-1, objectives)
        dominated = (values[:, None] <= cells[None]).all(axis=2).any(axis=0)
        assert dominated_volume(values, np.full(objectives, float(side))) == pytest.approx(dominated.sum())


def test_nothing_below_the_reference_is_no_volume() -> None:
    assert dominated_volume(np.array([[3.0, 1.0]]), np.array([3.0, 3.0])) == 0
    assert dominated_volume(np.empty((0, 2)), np.array([3.0, 3.0])) == 0
