"""The regression against its textbook formulas, and its gradient against differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from frontier.jobs.algorithms.gaussian_process import (
    GaussianProcess,
    Hyperparameters,
    _linear_features,
    _negative_log_likelihood,
    _squared_distances,
    fit,
)

HYPER = Hyperparameters(np.array([0.7, 1.3]), smooth=0.8, linear=0.3, noise=0.05)


def groups(count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(size=(count, 1)), rng.uniform(size=(count, 3))]


def kernel(first: list[np.ndarray], second: list[np.ndarray], centre: list[np.ndarray]) -> np.ndarray:
    """Every pair on its own."""
    found = np.empty((len(first[0]), len(second[0])))
    for row in range(found.shape[0]):
        for column in range(found.shape[1]):
            triples = zip(first, second, centre, strict=True)
            pairs = [(one[row] - mean, other[column] - mean) for one, other, mean in triples]
            lengths = zip(pairs, HYPER.length_scale, strict=True)
            squared = sum(((one - other) ** 2).sum() / length**2 for (one, other), length in lengths)
            root = np.sqrt(5 * squared)
            linear = sum((one * other).sum() / len(one) for one, other in pairs)
            found[row, column] = HYPER.smooth * (1 + root + root**2 / 3) * np.exp(-root) + HYPER.linear * linear
    return found


def test_predictions_are_those_of_the_textbook() -> None:
    seen, new = groups(17, seed=0), groups(5, seed=1)
    targets = np.random.default_rng(2).normal(3.0, 2.0, size=17)
    process = GaussianProcess(HYPER, seen, targets)
    centre = [group.mean(axis=0) for group in seen]
    inverse = np.linalg.inv(kernel(seen, seen, centre) + (HYPER.noise + 1e-8) * np.eye(17))
    across, scale = kernel(seen, new, centre), targets.std()
    mean = targets.mean() + across.T @ inverse @ (targets - targets.mean())
    covariance = scale**2 * (kernel(new, new, centre) - across.T @ inverse @ across)
    assert process.predict(new)[0] == pytest.approx(mean)
    assert process.predict(new)[1] == pytest.approx(np.sqrt(np.diag(covariance)))
    assert process.joint(new)[0] == pytest.approx(mean)
    assert process.joint(new)[1] == pytest.approx(covariance, abs=1e-9)


def test_the_gradient_of_the_likelihood_is_right() -> None:
    seen = groups(13, seed=3)
    distances = np.array([_squared_distances(group, group) for group in seen])
    linear = _linear_features([group - group.mean(axis=0) for group in seen])
    values = np.random.default_rng(4).normal(size=13)
    at = np.log([0.5, 1.5, 0.7, 0.2, 0.05])
    arguments = (distances, linear @ linear.T, values)
    error = check_grad(
        lambda x: _negative_log_likelihood(x, *arguments)[0], lambda x: _negative_log_likelihood(x, *arguments)[1], at
    )
    assert error < 1e-4


def test_fitting_finds_what_matters_and_how_much_noise_there_is() -> None:
    seen, new = groups(150, seed=5), groups(200, seed=6)

    def truth(features: list[np.ndarray]) -> np.ndarray:
        return np.sin(6 * features[0][:, 0])

    targets = truth(seen) + 0.1 * np.random.default_rng(7).normal(size=150)
    hyper = fit(seen, targets, None, steps=60)
    assert hyper.length_scale[0] < hyper.length_scale[1]
    assert hyper.noise * targets.var() == pytest.approx(0.01, rel=0.5)
    mean, deviation = GaussianProcess(hyper, seen, targets).predict(new)
    away = np.abs(mean - truth(new))
    assert away.mean() < 0.06
    assert (away < 1.645 * deviation).mean() > 0.8


def test_equal_targets_and_a_single_point_are_no_trouble() -> None:
    for count in (1, 9):
        seen = groups(count, seed=8)
        hyper = fit(seen, np.full(count, 2.5), None, steps=20)
        mean, deviation = GaussianProcess(hyper, seen, np.full(count, 2.5)).predict(groups(4, seed=9))
        assert mean == pytest.approx(2.5)
        assert np.isfinite(deviation).all()
