"""What only the predictor does: it learns what fails, keeps few evaluations, and thinks less often as they grow."""

from __future__ import annotations

import numpy as np

from frontier.jobs.algorithms import AlgorithmSettings
from frontier.jobs.algorithms.encoding import Encoding
from frontier.jobs.algorithms.predictor import PredictorSearch
from frontier.jobs.algorithms.training_set import TrainingSet
from frontier.jobs.algorithms.unseen import row_keys
from frontier.search_space import SearchSpace, kind_of
from frontier.search_space.breeding import Breeder
from frontier.search_space.population import Population

from .problems import known, search, small_space

SETTINGS = AlgorithmSettings(initial=8, screened=256, trained_on=64)


def has_attention(population: Population) -> np.ndarray:
    kinds = np.array([kind_of(spec) for spec in population.space.token_specs] + ["absent"])
    return (kinds[population.indices[:, population.columns.token]] == "attention").any(axis=1)


def test_an_operator_that_always_fails_is_left_alone() -> None:
    problem = known(small_space())
    space = problem.problem.space
    algorithm = PredictorSearch(problem.problem, SETTINGS, seed=1)
    failed = []
    for _ in range(25):
        asked = algorithm.ask(4)
        poison = has_attention(asked)
        values = problem.values(asked)
        values[poison] = np.nan
        algorithm.tell(asked, values)
        failed += poison.tolist()
    every = Breeder(space).sample(1000, np.random.default_rng(0))
    assert has_attention(every).mean() > 0.3
    assert np.mean(failed[60:]) < 0.1


def test_it_thinks_less_often_as_evaluations_grow() -> None:
    problem = known(small_space())
    algorithm = PredictorSearch(problem.problem, SETTINGS, seed=1)
    thoughts: list[int] = []
    screen = algorithm._screen

    def counted(count: int) -> Population:
        thoughts.append(count)
        return screen(count)

    algorithm._screen = counted  # type: ignore[method-assign]
    search(algorithm, problem, 100)
    early = len(thoughts)
    others = Breeder(problem.problem.space).sample(3000, np.random.default_rng(2)).distinct()
    algorithm.tell(others, problem.values(others))
    search(algorithm, problem, 100)
    assert early > 15
    assert len(thoughts) - early <= 3


def test_the_training_set_stays_small_and_keeps_the_front() -> None:
    space = small_space()
    population = Breeder(space).sample(4000, np.random.default_rng(0)).distinct()
    values = known(space).values(population)
    training = TrainingSet(population[:0], 2, 63, np.random.default_rng(1))
    best = values[values[:, 0].argsort()[:5]]
    for start in range(0, len(population), 50):
        training.add(population[start : start + 50], values[start : start + 50], best)
        assert len(training) <= 63 * 1.25 + 50
    assert {tuple(row) for row in best} <= {tuple(row) for row in training.values}
    told = dict(zip(row_keys(population), map(tuple, values), strict=True))
    assert all(told[key] == tuple(row) for key, row in zip(row_keys(training.population), training.values, strict=True))


def test_features_tell_every_architecture_of_any_preset_apart() -> None:
    for preset in ("tiny-lm", "everything-lm", "pyramid-vit", "mohd-lm", "moe-lm"):
        space = SearchSpace.load(preset)
        population = Breeder(space).sample(500, np.random.default_rng(0)).distinct()
        groups = Encoding(space).features(population, np.full((len(population), 1), 2.0))
        together = np.concatenate(groups, axis=1)
        assert np.isfinite(together).all()
        assert np.abs(together).max() <= 1
        assert len(np.unique(together, axis=0)) == len(population)
