"""The front kept one offer at a time is the front found by comparing every pair."""

from __future__ import annotations

import math
from random import Random

import pytest

from frontier.db.front import Front

NAN, INF = math.nan, math.inf


def brute_force(points: list[tuple[float | None, ...]]) -> set[int]:
    """Indices not dominated by any point and not equal to an earlier one, straight from the definition."""
    known = [i for i, p in enumerate(points) if not any(v is None or v != v for v in p)]

    def beaten(i: int, j: int) -> bool:
        a, b = points[i], points[j]
        no_worse = all(y <= x for x, y in zip(a, b, strict=True))
        better = any(y < x for x, y in zip(a, b, strict=True))
        return (no_worse and better) or (a == b and j < i)

    return {i for i in known if not any(beaten(i, j) for j in known if j != i)}


def stream(rng: Random) -> list[tuple[float | None, ...]]:
    """A stream of 1 to 4 objectives, some on a coarse grid (ties, duplicates), some with NaN, None, infinities."""
    objectives = rng.randint(1, 4)
    values: list[float | None] = [float(v) for v in range(rng.choice([2, 4, 9]))]
    if rng.random() < 0.5:
        values += [NAN, None, INF, -INF]
    grid = rng.random() < 0.7

    def value() -> float | None:
        return rng.choice(values) if grid else rng.random()

    return [tuple(value() for _ in range(objectives)) for _ in range(rng.choice([1, 5, 40]))]


@pytest.mark.parametrize("first_seed", range(0, 1000, 100))
def test_every_prefix_equals_brute_force(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 100):
        points = stream(Random(seed))
        front = Front()
        for i, point in enumerate(points):
            before = set(front.members)
            left = front.offer(str(i), point)
            now = {str(k) for k in brute_force(points[: i + 1])}
            assert set(front.members) == now, f"seed {seed}, after point {i}: {point}"
            assert (left is not None) == (str(i) in now)
            assert set(left or ()) == before - now


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_a_front_of_hundreds_equals_brute_force(objectives: int) -> None:
    rng = Random(objectives)
    # Near a plane on which nobody dominates anybody, so that most enter and some are displaced later.
    places = [[rng.random() for _ in range(objectives)] for _ in range(600)]
    points = [tuple(v + rng.random() * 0.02 - sum(place) / objectives for v in place) for place in places]
    front = Front()
    for i, point in enumerate(points):
        front.offer(str(i), point)
    assert len(front) > 50
    assert {int(key) for key in front.members} == brute_force(points)
    assert all(front.members[key] == points[int(key)] for key in front.members)
    assert list(front.members) == sorted(front.members, key=int)


def test_equal_point_neither_enters_nor_displaces() -> None:
    front = Front({"first": (1.0, 2.0)})
    assert front.offer("again", (1.0, 2.0)) is None
    assert set(front.members) == {"first"}


@pytest.mark.parametrize("point", [(NAN, -INF), (-INF, NAN), (None, -INF), (NAN, NAN)], ids=str)
def test_unknown_objective_never_enters(point: tuple[float | None, ...]) -> None:
    front = Front()
    assert front.offer("a", point) is None
    assert front.members == {}


def test_a_point_that_beats_all_displaces_all() -> None:
    front = Front()
    assert front.offer("a", (1.0, 3.0)) == ()
    assert front.offer("b", (3.0, 1.0)) == ()
    assert front.offer("c", (1.0, 1.0)) == ("a", "b")


def test_points_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="must have 2 objectives"):
        Front({"first": (1.0, 2.0)}).offer("second", (1.0,))
