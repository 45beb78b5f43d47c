"""Gaussian-process regression on features in groups: a linear part, and a smooth part with a length scale per group.

n training points, m other points, G groups.  Source: Rasmussen and Williams, Gaussian Processes for Machine Learning,
2006, chapters 2, 4 (Matérn 5/2) and 5 (marginal likelihood).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from .problem import Values

ROOT_5 = 5**0.5
JITTER = 1e-8
# Log variances of the smooth part, of the linear part and of the noise that fitting starts from, for targets of
# variance 1; length scales start from the typical distance of two points.
START = (-0.5, -0.5, -5.0)
BOUND = 6.0
PRIOR_SCALE = 1.5


@dataclass(frozen=True)
class Hyperparameters:
    """`length_scale` (G,) of the groups and the variances of the parts, for targets of variance 1."""

    length_scale: Values
    smooth: float
    linear: float
    noise: float


class GaussianProcess:
    """Fitted to values of features. Predicts means and how uncertain they are, together for several points."""

    def __init__(self, hyperparameters: Hyperparameters, groups: Sequence[Values], targets: Values) -> None:
        """Condition on `targets` (n,) at the features `groups`, each (n, features of the group)."""
        self._hyper = hyperparameters
        self._mean, self._scale = float(targets.mean()), float(targets.std()) or 1.0
        self._centre = [group.mean(axis=0) for group in groups]
        self._smooth, self._linear = self._scaled(groups)
        covariance = self._kernel(self._smooth, self._linear)
        covariance[np.diag_indices_from(covariance)] += hyperparameters.noise + JITTER
        self._factor = np.linalg.cholesky(covariance)
        residual = (targets - self._mean) / self._scale
        self._weights = cho_solve((self._factor, True), residual)

    def predict(self, groups: Sequence[Values]) -> tuple[Values, Values]:
        """The mean and the standard deviation of the value at every point: (m,) each."""
        smooth, linear = self._scaled(groups)
        across = self._kernel(smooth, linear)
        variance = self._hyper.smooth + self._hyper.linear * (linear**2).sum(axis=1)
        variance = variance - (solve_triangular(self._factor, across, lower=True) ** 2).sum(axis=0)
        return self._mean + self._scale * (across.T @ self._weights), self._scale * np.sqrt(np.maximum(variance, 1e-12))

    def joint(self, groups: Sequence[Values]) -> tuple[Values, Values]:
        """The means (m,) and the covariance (m, m) of the values at all points."""
        smooth, linear = self._scaled(groups)
        across = self._kernel(smooth, linear)
        explained = solve_triangular(self._factor, across, lower=True)
        own = self._hyper.smooth * _matern(_squared_distances(smooth, smooth)) + self._hyper.linear * linear @ linear.T
        covariance = self._scale**2 * (own - explained.T @ explained)
        return self._mean + self._scale * (across.T @ self._weights), covariance

    @property
    def noise(self) -> float:
        """The variance of a single value around the smooth function."""
        return self._scale**2 * self._hyper.noise

    def _scaled(self, groups: Sequence[Values]) -> tuple[Values, Values]:
        """The features as the smooth part and as the linear part see them: (m, features) each."""
        centred = [group - centre for group, centre in zip(groups, self._centre, strict=True)]
        parts = zip(centred, self._hyper.length_scale, strict=True)
        smooth = np.concatenate([group / scale for group, scale in parts], axis=1)
        return smooth, _linear_features(centred)

    def _kernel(self, smooth: Values, linear: Values) -> Values:
        """The covariance of training points and others: (n, m)."""
        matern = _matern(_squared_distances(self._smooth, smooth))
        return self._hyper.smooth * matern + self._hyper.linear * (self._linear @ linear.T)


def fit(groups: Sequence[Values], targets: Values, start: Hyperparameters | None, steps: int) -> Hyperparameters:
    """The hyperparameters under which `targets` are most likely, found in so many steps from `start`."""
    centred = [group - group.mean(axis=0) for group in groups]
    distances = np.array([_squared_distances(group, group) for group in centred])
    linear = _linear_features(centred)
    gram = linear @ linear.T
    spread = targets.std() or 1.0
    values = (targets - targets.mean()) / spread
    # Two points differ in all groups at once, so each group gets its share of a distance of about 1.
    typical = np.sqrt(np.maximum(distances.mean(axis=(1, 2)) * len(groups), 1e-6))
    centre = np.concatenate([np.log(typical), START])
    first = centre if start is None else np.log([*start.length_scale, start.smooth, start.linear, start.noise])

    def loss(log_parameters: Values) -> tuple[float, Values]:
        value, gradient = _negative_log_likelihood(log_parameters, distances, gram, values)
        away = (log_parameters - centre) / PRIOR_SCALE
        return value + 0.5 * float(away @ away), gradient + away / PRIOR_SCALE

    bounds = np.column_stack([centre - BOUND, centre + BOUND])
    found = minimize(loss, np.clip(first, *bounds.T), jac=True, method="L-BFGS-B", bounds=bounds,
                     options={"maxiter": steps, "maxfun": 2 * steps}).x  # fmt: skip
    return Hyperparameters(np.exp(found[:-3]), *(float(value) for value in np.exp(found[-3:])))


def _negative_log_likelihood(
    log_parameters: Values, distances: Values, gram: Values, values: Values
) -> tuple[float, Values]:
    """Of `values` (n,) given log length scales and log variances, and its gradient."""
    inverse_squares = np.exp(-2 * log_parameters[:-3])
    smooth, linear, noise = np.exp(log_parameters[-3:])
    squared = np.tensordot(inverse_squares, distances, axes=1)
    root = ROOT_5 * np.sqrt(squared)
    decay = np.exp(-root)
    matern = (1 + root + root**2 / 3) * decay
    covariance = smooth * matern + linear * gram
    covariance[np.diag_indices_from(covariance)] += noise + JITTER
    try:
        factor = cho_factor(covariance, lower=True)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(log_parameters)
    weights = cho_solve(factor, values)
    value = 0.5 * float(values @ weights) + float(np.log(np.diag(factor[0])).sum())
    # d value / d covariance.
    outer = 0.5 * (cho_solve(factor, np.eye(len(values))) - np.outer(weights, weights))
    by_squared = outer * (-5 / 6 * smooth * (1 + root) * decay)
    by_length = -2 * inverse_squares * np.tensordot(distances, by_squared, axes=2)
    by_variance = [smooth * (outer * matern).sum(), linear * (outer * gram).sum(), noise * np.trace(outer)]
    return value, np.concatenate([by_length, by_variance])


def _matern(squared: Values) -> Values:
    root = ROOT_5 * np.sqrt(squared)
    return (1 + root + root**2 / 3) * np.exp(-root)


def _squared_distances(first: Values, second: Values) -> Values:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None] - 2 * first @ second.T
    return np.maximum(squares, 0.0)


def _linear_features(centred: Sequence[Values]) -> Values:
    """All features beside each other, every group with the same say."""
    return np.concatenate([group / (group.shape[1] ** 0.5) for group in centred], axis=1)
