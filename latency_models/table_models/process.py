"""A Gaussian process, for the few measurements that trees cannot learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Values = NDArray[np.float64]

# Prior of the length scales, in standard deviations of a feature, and how firmly it is held, both in log.
LENGTH, FIRMNESS = np.log(2.0), 0.5
# Bounds, in log, of length scales, of the variance, and of the noise's variance.
LENGTHS, VARIANCE, NOISE = (-3.0, 5.0), (-9.0, 3.0), (-12.0, -1.0)
STEPS = 40
JITTER = 1e-8
# Errors beyond this many standard deviations are held to be outliers.
OUTLIER = 1.5


@dataclass(frozen=True, eq=False)
class Process:
    """Mean and standard deviation of a smooth function at points, from noisy values at `points`, (points, features)."""

    centre: Values
    scale: Values
    points: Values
    mean: float
    lengths: Values
    variance: float
    noise: float
    trust: Values
    weights: Values
    inverse: Values

    @classmethod
    def fit(cls, features: Values, values: Values) -> Process:
        """Most likely length scales, variance and noise.  Source: Rasmussen and Williams 2006, chapter 5."""
        centre, scale = features.mean(axis=0), features.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        points = (features - centre) / scale
        count = points.shape[1]
        spread = np.log(values.var() + 1e-6)
        start = np.concatenate([np.full(count, LENGTH), [spread, spread - 3.0]])
        bounds = [LENGTHS] * count + [VARIANCE, NOISE]
        start = np.clip(start, [low for low, _ in bounds], [high for _, high in bounds])
        best = minimize(
            _unlikelihood,
            start,
            args=(points, values - np.median(values)),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": STEPS},
        ).x
        lengths, variance, noise = np.exp(best[:count]), float(np.exp(best[count])), float(np.exp(best[count + 1]))
        return cls.with_scales(centre, scale, points, lengths, variance, noise, np.ones(len(points)), values)

    @classmethod
    def with_scales(
        cls,
        centre: Values,
        scale: Values,
        points: Values,
        lengths: Values,
        variance: float,
        noise: float,
        trust: Values,
        values: Values,
    ) -> Process:
        """The function through `values`, its length scales and variances known. A point's noise is `noise / trust`."""
        mean = float(np.median(values))
        covariance = variance * _matern(_squares(points, points, lengths)) + np.diag(noise / trust + JITTER)
        inverse = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
        weights = inverse @ (values - mean)
        return cls(centre, scale, points, mean, lengths, variance, noise, trust, weights, inverse)

    def without_outliers(self, values: Values) -> Process:
        """Points that the others contradict count for less.  Source: Huber's weights, on errors left one out."""
        error = np.abs(self.weights / np.diag(self.inverse))
        limit = OUTLIER * 1.4826 * float(np.median(error))
        trust = np.minimum(1.0, limit / np.maximum(error, 1e-12)) ** 2
        return self._again(self.points, trust, values)

    def given(self, known: NDArray[np.bool_], values: Values) -> Process:
        """The same where only some of the points are known."""
        return self._again(self.points[known], self.trust[known], values[known])

    def _again(self, points: Values, trust: Values, values: Values) -> Process:
        return Process.with_scales(
            self.centre, self.scale, points, self.lengths, self.variance, self.noise, trust, values
        )

    def covariance(self, first: Values, second: Values) -> Values:
        """What is not known yet of the function, between features of rows, (first, second)."""
        a, b = ((features - self.centre) / self.scale for features in (first, second))
        known = self._prior(a, self.points) @ self.inverse @ self._prior(self.points, b)
        return np.asarray(self._prior(a, b) - known)

    def predict(self, features: Values) -> tuple[Values, Values]:
        """Mean and standard deviation of the function, without the noise of a measurement."""
        at = (features - self.centre) / self.scale
        covariance = self._prior(at, self.points)
        explained = ((covariance @ self.inverse) * covariance).sum(axis=1)
        return self.mean + covariance @ self.weights, np.sqrt(np.maximum(self.variance - explained, JITTER))

    def _prior(self, first: Values, second: Values) -> Values:
        return self.variance * _matern(_squares(first, second, self.lengths))


def _squares(first: Values, second: Values, lengths: Values) -> Values:
    """Squared distances in length scales, (first, second)."""
    a, b = first / lengths, second / lengths
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0))


def _matern(squares: Values) -> Values:
    """Correlation of a function that has one derivative."""
    root = np.sqrt(3 * squares)
    return np.asarray((1 + root) * np.exp(-root))


def _unlikelihood(logs: Values, points: Values, values: Values) -> tuple[float, Values]:
    """Negative log likelihood of values and prior, and its gradient."""
    count = points.shape[1]
    lengths, variance, noise = np.exp(logs[:count]), np.exp(logs[count]), np.exp(logs[count + 1])
    squares = _squares(points, points, lengths)
    correlation = _matern(squares)
    covariance = variance * correlation + (noise + JITTER) * np.eye(len(points))
    lower = np.linalg.cholesky(covariance)
    inverse = np.linalg.inv(covariance)
    weights = inverse @ values
    off = logs[:count] - LENGTH
    loss = 0.5 * values @ weights + np.log(np.diag(lower)).sum() + 0.5 * FIRMNESS * (off**2).sum()
    pull = inverse - np.outer(weights, weights)
    slope = 3 * variance * np.exp(-np.sqrt(3 * squares)) * pull
    by_length = [
        0.5 * np.sum(slope * (points[:, [axis]] - points[:, axis]) ** 2) / lengths[axis] ** 2 for axis in range(count)
    ]
    by_variance = 0.5 * variance * np.sum(pull * correlation)
    by_noise = 0.5 * noise * np.trace(pull)
    return float(loss), np.concatenate([np.array(by_length) + FIRMNESS * off, [by_variance, by_noise]])
