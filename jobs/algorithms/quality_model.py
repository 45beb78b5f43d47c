"""Predicts what only scoring tells, with its uncertainty: a Gaussian process per scored objective."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .gaussian_process import GaussianProcess, Hyperparameters, fit
from .problem import Values

# Hyperparameters are fitted anew when the evaluations have grown by this share.
GROWTH = 1.25
FIRST_STEPS = 60
STEPS = 15
# Targets so many interquartile ranges above the upper quartile are cut off there: how bad the worst is does not matter.
OUTLIERS = 2.0


class QualityModel:
    """Learns the uncertain objectives from features in groups (see `Encoding`)."""

    def __init__(self) -> None:
        self._hyper: list[Hyperparameters | None] = []
        self._fit_at = 0
        self._processes: list[GaussianProcess] = []

    def condition(self, groups: Sequence[Values], targets: Values, told: int, pending: Sequence[Values]) -> Values:
        """Learn `targets` (n, uncertain objectives); `told` is how many evaluations there were so far.

        What is pending is taken to score as predicted, so that the model is sure of it. Returns these predictions
        (pending, uncertain objectives).
        """
        if told >= self._fit_at:
            before = self._hyper or [None] * targets.shape[1]
            steps = STEPS if self._hyper else FIRST_STEPS
            self._hyper = [fit(groups, column, one, steps) for column, one in zip(targets.T, before, strict=True)]
            self._fit_at = max(told + 1, int(GROWTH * told))
        self._processes = self._conditioned(groups, targets)
        believed, _ = self.predict(pending)
        if len(believed):
            together = [np.concatenate(pair) for pair in zip(groups, pending, strict=True)]
            self._processes = self._conditioned(together, np.concatenate([targets, believed]))
        return believed

    def predict(self, groups: Sequence[Values]) -> tuple[Values, Values]:
        """Means and standard deviations, (architectures, uncertain objectives) each."""
        found = [process.predict(groups) for process in self._processes]
        return np.column_stack([mean for mean, _ in found]), np.column_stack([deviation for _, deviation in found])

    def joint(self, groups: Sequence[Values]) -> tuple[Values, Values]:
        """Means (architectures, uncertain) and covariances (uncertain, architectures, architectures)."""
        found = [process.joint(groups) for process in self._processes]
        return np.column_stack([mean for mean, _ in found]), np.array([covariance for _, covariance in found])

    @property
    def noise(self) -> NDArray[np.float64]:
        """The variance (uncertain,) of a score that no architecture's features explain."""
        return np.array([process.noise for process in self._processes])

    def _conditioned(self, groups: Sequence[Values], targets: Values) -> list[GaussianProcess]:
        pairs = zip(self._hyper, targets.T, strict=True)
        return [GaussianProcess(hyper, groups, column) for hyper, column in pairs if hyper is not None]


def without_outliers(targets: Values) -> Values:
    """Targets (n, objectives) of which the very bad ones are cut off."""
    low, high = np.quantile(targets, (0.25, 0.75), axis=0)
    return np.minimum(targets, high + OUTLIERS * (high - low) + 1e-12)
