"""Expected gains against averages over draws and against differences of exact hypervolumes."""

from __future__ import annotations

import numpy as np
import pytest

from frontier.db.hypervolume import dominated_volume
from frontier.jobs.algorithms.batch_picking import pick, pick_many
from frontier.jobs.algorithms.expected_improvement import improvement_over
from frontier.jobs.algorithms.front import non_dominated

DRAWS = 1000
IDEAL = np.full(3, -0.3)


def random_front(objectives: int, rng: np.random.Generator, count: int = 40) -> np.ndarray:
    values = rng.uniform(size=(count, objectives))
    return values[non_dominated(values)]


def gain(front: np.ndarray, reference: np.ndarray, values: np.ndarray) -> float:
    return dominated_volume(np.concatenate([front, values[None]]), reference) - dominated_volume(front, reference)


def drawn_gain(
    front: np.ndarray, reference: np.ndarray, mean: np.ndarray, deviation: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """The average gain over draws, and its standard error."""
    gains = [gain(front, reference, mean + deviation * rng.normal(size=len(mean))) for _ in range(DRAWS)]
    return float(np.mean(gains)), float(np.std(gains) / DRAWS**0.5)


@pytest.mark.parametrize("uncertain", [0, 1])
def test_the_closed_form_is_the_average_over_draws(uncertain: int) -> None:
    rng = np.random.default_rng(uncertain)
    front, reference = random_front(2, rng), np.array([1.1, 1.2])
    mean, deviation = rng.uniform(-0.1, 1.3, size=(7, 2)), np.zeros((7, 2))
    deviation[:, uncertain] = rng.uniform(0.01, 0.4, size=7)
    marked = np.arange(2) == uncertain
    found = improvement_over(front, IDEAL[: len(reference)], reference, marked, seed=0)(mean, deviation)
    for row in range(7):
        expected, error = drawn_gain(front, reference, mean[row], deviation[row], rng)
        assert found[row] == pytest.approx(expected, abs=4 * error + 1e-9)


def test_without_doubt_the_closed_form_is_the_exact_gain() -> None:
    rng = np.random.default_rng(5)
    front, reference = random_front(2, rng), np.array([0.9, 1.0])
    mean = rng.uniform(-0.2, 1.2, size=(60, 2))
    found = improvement_over(front, IDEAL[: len(reference)], reference, np.array([True, False]), seed=0)(
        mean, np.zeros((60, 2))
    )
    assert found == pytest.approx([gain(front, reference, row) for row in mean], abs=1e-9)


def test_points_on_a_front_and_what_counts_as_found_gain_nothing() -> None:
    rng = np.random.default_rng(6)
    front, reference = random_front(2, rng), np.array([1.0, 1.0])
    improvement = improvement_over(front, IDEAL[: len(reference)], reference, np.array([False, True]), seed=0)
    assert improvement(front, np.zeros_like(front)) == pytest.approx(0, abs=1e-9)
    better = np.array([[0.02, 0.03]])
    assert improvement(better, np.zeros((1, 2)))[0] > 0
    improvement.add(better[0])
    assert improvement(better, np.zeros((1, 2)))[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("uncertain", [[True, False, False], [True, False, True], [True, True]])
def test_the_sampled_gain_is_near_the_average_over_draws(uncertain: list[bool]) -> None:
    rng = np.random.default_rng(len(uncertain))
    marked = np.array(uncertain)
    front, reference = random_front(len(marked), rng, 6), np.full(len(marked), 1.1)
    mean = rng.uniform(0.1, 0.6, size=(5, len(marked)))
    deviation = np.where(marked, rng.uniform(0.02, 0.2, size=mean.shape), 0.0)
    found = improvement_over(front, IDEAL[: len(marked)], reference, marked, seed=1)(mean, deviation)
    expected = [drawn_gain(front, reference, *pair, rng)[0] for pair in zip(mean, deviation, strict=True)]
    assert found == pytest.approx(expected, abs=0.15 * max(expected))


def test_the_sampled_gain_shrinks_by_what_is_found() -> None:
    rng = np.random.default_rng(9)
    front, reference = random_front(3, rng), np.ones(3)
    improvement = improvement_over(front, IDEAL[: len(reference)], reference, np.array([True, False, False]), seed=2)
    known = np.zeros((1, 3))
    one, other = np.array([[0.1, 0.2, 0.3]]), np.array([[0.1, 0.2, 0.4]])
    assert improvement(one, known)[0] == pytest.approx(gain(front, reference, one[0]), rel=0.15)
    improvement.add(one[0])
    assert improvement(one, known)[0] == 0
    assert improvement(other, known)[0] == 0


def test_a_batch_is_diverse() -> None:
    """The two best are nearly the same architecture: once one is picked, a far one promises more than its twin."""
    improvement = improvement_over(np.eye(2), IDEAL[:2], np.ones(2), np.array([True, False]), seed=0)
    mean = np.array([[0.3, 0.30], [0.301, 0.301], [0.6, 0.1], [0.95, 0.95]])
    covariance = np.diag([0.01, 0.01, 0.01, 0.01])
    covariance[0, 1] = covariance[1, 0] = 0.0099
    marked, noise = np.array([True, False]), np.array([1e-6])
    found = pick(improvement, mean, covariance[None], noise, marked, np.ones(4), 2)
    assert found.tolist() == [0, 2]


def test_what_will_hardly_be_scored_is_picked_last() -> None:
    front = np.array([[1.0, 0.0], [0.0, 1.0]])
    marked, noise, chance = np.array([True, False]), np.array([1e-6]), np.array([0.0, 1.0, 1.0])
    mean = np.array([[0.1, 0.1], [0.9, 0.9], [0.95, 0.95]])
    one_by_one = pick(
        improvement_over(front, IDEAL[:2], np.ones(2), marked, 0), mean, np.zeros((1, 3, 3)), noise, marked, chance, 3
    )
    in_rounds = pick_many(improvement_over(front, IDEAL[:2], np.ones(2), marked, 0), mean, np.zeros((3, 2)), chance, 3)
    assert one_by_one.tolist() == in_rounds.tolist() == [1, 2, 0]


def test_a_batch_holds_everything_once_if_asked_for_more() -> None:
    improvement = improvement_over(np.array([[0.5, 0.5]]), IDEAL[:2], np.ones(2), np.array([True, False]), seed=0)
    mean = np.random.default_rng(0).uniform(size=(5, 2))
    found = pick(improvement, mean, np.eye(5)[None], np.array([0.1]), np.array([True, False]), np.ones(5), 63)
    assert sorted(found.tolist()) == [0, 1, 2, 3, 4]
