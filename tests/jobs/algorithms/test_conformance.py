"""What every search algorithm must do. The table of algorithms is the parameter list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from frontier.db.hypervolume import dominated_volume
from frontier.errors import InputError
from frontier.jobs.algorithms import ALGORITHMS, Algorithm, AlgorithmSettings, open_algorithm
from frontier.jobs.algorithms.unseen import row_keys, stack
from frontier.search_space.breeding import Breeder
from frontier.search_space.population import Population

from .problems import Known, doubles, known, search, small_space

SETTINGS = AlgorithmSettings(population=10, initial=8, screened=256, trained_on=64)
PROBLEMS = {
    "two objectives": known(small_space()),
    "three objectives": known(small_space(), ("param_count", "val_loss", "latency_ms")),
    "constrained": known(small_space(), limit=30.0),
}
EXHAUSTIVE = ("random", "evolution", "predictor")


@pytest.fixture(params=list(ALGORITHMS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=list(PROBLEMS))
def problem(request: pytest.FixtureRequest) -> Known:
    return PROBLEMS[request.param]


def opened(name: str, problem: Known, seed: int = 3) -> Algorithm:
    return open_algorithm(name, problem.problem, SETTINGS, seed)


def test_proposals_are_new_and_feasible_and_begin_with_the_ends(name: str, problem: Known) -> None:
    asked, _ = search(opened(name, problem), problem, 63, batch=5)
    space = problem.problem.space
    assert len(asked) == 63
    assert not doubles(asked)
    assert not problem.infeasible(asked).any()
    ends = Population.of(space, [space.smallest(), space.largest()])
    feasible = [key for key, bad in zip(row_keys(ends), problem.infeasible(ends), strict=True) if not bad]
    assert row_keys(asked)[: len(feasible)] == feasible


def test_the_same_seed_gives_the_same_sequence(name: str, problem: Known) -> None:
    first, _ = search(opened(name, problem), problem, 40)
    second, _ = search(opened(name, problem), problem, 40)
    other, _ = search(opened(name, problem, seed=4), problem, 40)
    assert row_keys(first) == row_keys(second)
    assert row_keys(first) != row_keys(other)


def test_asks_may_run_ahead_of_tells(name: str, problem: Known) -> None:
    algorithm = opened(name, problem)
    waiting, asked = [], []
    for _ in range(20):
        waiting.append(algorithm.ask(3))
        asked.append(waiting[-1])
        if len(waiting) > 5:
            told = waiting.pop(2)
            algorithm.tell(told, problem.values(told))
    every = stack(problem.problem.space, asked)
    assert len(every) == 60
    assert not doubles(every)
    assert not problem.infeasible(every).any()


def test_what_fails_is_tolerated_and_not_asked_again(name: str, problem: Known) -> None:
    algorithm = opened(name, problem)
    asked = []
    for number in range(12):
        asked.append(algorithm.ask(4))
        values = problem.values(asked[-1])
        # At first everything fails, the ends of the front too.
        values[: 4 if number < 3 else 1] = np.nan
        algorithm.tell(asked[-1], values)
    every = stack(problem.problem.space, asked)
    assert len(every) == 48
    assert not doubles(every)


@pytest.mark.parametrize("limit", [np.inf, 12.0], ids=["all feasible", "few feasible"])
def test_a_tiny_space_is_exhausted(name: str, limit: float) -> None:
    problem = known(small_space(max_depth=1), limit=limit)
    space = problem.problem.space
    every = Population.of(space, list(space.enumerate()))
    feasible = every[~problem.infeasible(every)]
    algorithm = opened(name, problem)
    asked, _ = search(algorithm, problem, len(every) + 1)
    assert not doubles(asked)
    assert not len(algorithm.ask(1))
    if name in EXHAUSTIVE:
        assert set(row_keys(asked)) == set(row_keys(feasible))


def test_what_another_search_told_is_used_and_not_asked_again(name: str, problem: Known) -> None:
    algorithm = opened(name, problem)
    others = Breeder(problem.problem.space).sample(200, np.random.default_rng(7)).distinct()
    algorithm.tell(others, problem.values(others))
    asked, _ = search(algorithm, problem, 40)
    assert not set(row_keys(asked)).intersection(row_keys(others))
    assert not problem.infeasible(asked).any()


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "random"])
def test_it_finds_more_than_random_search(name: str) -> None:
    problem = PROBLEMS["two objectives"]
    found: dict[str, list[float]] = {name: [], "random": []}
    every = Population.of(problem.problem.space, list(problem.problem.space.enumerate()))
    worst = problem.values(every).max(axis=0)
    for seed in range(2):
        for one, volumes in found.items():
            _, values = search(open_algorithm(one, problem.problem, SETTINGS, seed), problem, 120)
            volumes.append(dominated_volume(values, worst))
    assert np.mean(found[name]) > np.mean(found["random"])


def test_only_the_predictor_tells_how_well_it_foresaw(name: str) -> None:
    problem = PROBLEMS["two objectives"]
    algorithm = opened(name, problem)
    assert algorithm.quality() is None
    search(algorithm, problem, 80)
    quality = algorithm.quality()
    assert (quality is not None) == (name == "predictor")
    if quality:
        assert quality.count > 40
        assert quality.kendall_tau > 0.5
        assert 0 <= quality.mean_absolute_error < 0.5
        assert 0.5 < quality.coverage <= 1


def test_a_user_adds_one_by_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from frontier.jobs.algorithms.random_search import RandomSearch\n\n\n"
        "class Mine(RandomSearch):\n    pass\n\n\nNOT_ONE = 3\n"
    )
    problem = PROBLEMS["two objectives"]
    asked, _ = search(opened(f"{path}:Mine", problem), problem, 9)
    assert len(asked) == 9
    for wrong, said in [
        ("annealing", r"algorithm: one of random, .* or file.py:ClassName; got 'annealing'"),
        (f"{tmp_path / 'no.py'}:Mine", "a Python file that can be read"),
        (f"{path}:Other", "a subclass of Algorithm named Other; got None"),
        (f"{path}:NOT_ONE", "a subclass of Algorithm named NOT_ONE; got 3"),
    ]:
        with pytest.raises(InputError, match=said):
            opened(wrong, problem)


def test_settings_that_are_too_small_are_refused() -> None:
    with pytest.raises(InputError, match="population: at least 2; got 1"):
        AlgorithmSettings(population=1)
