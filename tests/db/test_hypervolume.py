"""The hypervolume equals what counting unit cells says, for every number of objectives and in any order."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from random import Random

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume

from frontier.db import Evaluation, Job, Ledger
from frontier.db.hypervolume import hypervolume
from frontier.db.hypervolume_gains import gains
from frontier.errors import InputError

MakeEvaluation = Callable[..., Evaluation]
SIDE = 6


def brute_force(points: list[tuple[float, ...]], count: int) -> int:
    """Unit cells of a grid below the reference (SIDE, ...) that some point dominates, for points of whole numbers."""
    return sum(
        any(all(a <= cell for a, cell in zip(point, corner, strict=True)) for point in points)
        for corner in product(range(SIDE), repeat=count)
    )


def some_points(rng: Random, count: int) -> list[tuple[float, ...]]:
    """Points of a coarse grid with ties and duplicates, a few of them at the reference or beyond."""
    values = [*map(float, range(SIDE + 1)), float(SIDE + 3)]
    return [tuple(rng.choice(values) for _ in range(count)) for _ in range(rng.choice([0, 1, 3, 12, 25]))]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_equals_counting_cells(count: int) -> None:
    for seed in range(60):
        points = some_points(Random(seed), count)
        assert hypervolume(points, [float(SIDE)] * count) == brute_force(points, count), f"seed {seed}: {points}"


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_gains_are_the_hypervolume_of_every_prefix(count: int) -> None:
    reference = [1.0] * count
    for seed in range(10):
        rng = Random(seed)
        points = [tuple(rng.random() for _ in range(count)) for _ in range(30)]
        totals = gains(points, reference, ["o"] * count)
        expected = [hypervolume(points[: i + 1], reference) for i in range(len(points))]
        assert totals == pytest.approx(expected, rel=1e-12)
        assert totals == sorted(totals)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_gains_among_ties_and_duplicates_are_exact(count: int) -> None:
    reference = [float(SIDE)] * count
    for seed in range(30):
        points = some_points(Random(seed), count)
        expected = [hypervolume(points[: i + 1], reference) for i in range(len(points))]
        assert gains(points, reference, ["o"] * count) == expected, f"seed {seed}: {points}"


@pytest.mark.parametrize("count", [2, 3, 4])
def test_equals_what_optuna_computes(count: int) -> None:
    for seed in range(8):
        rng = Random(seed)
        points = [tuple(rng.random() for _ in range(count)) for _ in range(40)]
        theirs = compute_hypervolume(np.array(points), np.ones(count))
        assert hypervolume(points, [1.0] * count) == pytest.approx(float(theirs), rel=1e-9)


def test_what_is_not_finite_adds_nothing() -> None:
    points = [(1.0, 1.0), (-math.inf, 0.0), (math.inf, 0.0), (math.nan, 0.0)]
    assert hypervolume(points, [2.0, 3.0]) == 2.0
    assert gains(points, [2.0, 3.0], ["a", "b"]) == [2.0] * 4


def test_a_large_front_of_four_objectives_takes_seconds() -> None:
    rng = Random(1)
    points = [tuple(rng.random() for _ in range(4)) for _ in range(150)]
    # The share of random places that some point dominates, to three standard deviations.
    places = [tuple(rng.random() for _ in range(4)) for _ in range(4000)]
    hit = sum(any(all(a <= b for a, b in zip(p, place, strict=True)) for p in points) for place in places) / 4000
    assert hypervolume(points, [1.0] * 4) == pytest.approx(hit, abs=3 * math.sqrt(hit * (1 - hit) / 4000))


def test_five_objectives_are_refused() -> None:
    with pytest.raises(InputError, match="1 to 4 objectives; got 5"):
        hypervolume([], [1.0] * 5)


class TestLedger:
    def test_a_value_for_every_evaluation_that_entered(
        self, ledger: Ledger, job: Job, evaluation: MakeEvaluation
    ) -> None:
        points = [("a", 3.0, 1.0), ("b", 1.0, 3.0), ("worse", 4.0, 4.0), ("c", 2.0, 2.0), ("d", 1.0, 1.0)]
        ledger.record(job.id, [evaluation(*point) for point in points])
        frame = ledger.hypervolume(job.id, reference=[4.0, 4.0])
        assert frame.to_numpy().tolist() == [[1, 3.0], [2, 5.0], [4, 6.0], [5, 9.0]]
        # By default what is measured reaches to the worst of those that were on the front: 3 and 3.
        assert ledger.hypervolume(job.id)["value"].tolist() == [0.0, 0.0, 1.0, 4.0]
        assert ledger.hypervolume(job.id, "finetuned").empty

    def test_a_reference_of_another_length_is_refused(self, ledger: Ledger, job: Job) -> None:
        with pytest.raises(InputError, match="a value for each of val_loss, latency_ms"):
            ledger.hypervolume(job.id, reference=[1.0])
        with pytest.raises(InputError, match="'nobody'"):
            ledger.hypervolume("nobody")
