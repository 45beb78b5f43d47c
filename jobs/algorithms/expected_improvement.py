"""By how much an architecture is expected to enlarge the dominated hypervolume, before it is scored.

m candidates, M objectives, F members of the front. Values are believed to be normal and independent of each other; a
deviation of 0 says that a value is known.  Source: Emmerich, Giannakoglou and Naujoks, Single- and multiobjective
evolutionary optimization assisted by Gaussian random field metamodels, IEEE Transactions on Evolutionary Computation
10(4), 2006.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import qmc

from .front import non_dominated
from .problem import Values

POINTS = 2048
MOST_POINTS = 2**15
CANDIDATES_AT_ONCE = 512


class Improvement(Protocol):
    """The expected gain over a front that grows as candidates are picked."""

    def __call__(self, mean: Values, deviation: Values) -> Values:
        """The expected gains (m,) of values that are believed to be `mean` +- `deviation`, (m, M) each."""

    def add(self, values: Values) -> None:
        """An architecture of these values (M,) is now counted as found."""


def improvement_over(
    front: Values, ideal: Values, reference: Values, uncertain: NDArray[np.bool_], seed: int
) -> Improvement:
    """The gain over `front` (F, M) up to `reference` (M,), where `uncertain` (M,) is whether values are predicted.

    Exact for two objectives of which one is uncertain, else an average over points between `ideal` (M,) and the
    reference: what is better than the ideal counts as if it were the ideal.
    """
    if len(reference) == 2 and uncertain.sum() == 1:
        return OneUncertain(front, reference, int(uncertain.argmax()))
    return Sampled(front, ideal, reference, seed)


class OneUncertain:
    """Two objectives, one known and one uncertain: a sum over the steps of the front in closed form."""

    def __init__(self, front: Values, reference: Values, uncertain: int) -> None:
        self._known, self._uncertain = 1 - uncertain, uncertain
        self._reference = reference
        self._front = front

    def __call__(self, mean: Values, deviation: Values) -> Values:
        known, most = self._known, self._reference
        steps = self._front[(self._front < most).all(axis=1)]
        steps = steps[np.argsort(steps[:, known], kind="stable")]
        # Between two members of the front the cheaper one's value is what must be beaten.
        starts = np.concatenate([[-np.inf], steps[:, known]])
        ends = np.concatenate([steps[:, known], [most[known]]])
        levels = np.minimum.accumulate(np.concatenate([[most[self._uncertain]], steps[:, self._uncertain]]))
        widths = np.maximum(0.0, ends - np.maximum(starts, mean[:, [known]]))
        return (widths * _expected_shortfall(levels, mean[:, [self._uncertain]], deviation[:, [self._uncertain]])).sum(
            1
        )

    def add(self, values: Values) -> None:
        together = np.concatenate([self._front, values[None]])
        self._front = together[non_dominated(together)]


class Sampled:
    """Any objectives: the volume is that of evenly spread points, each worth the chance that it becomes dominated."""

    def __init__(self, front: Values, ideal: Values, reference: Values, seed: int) -> None:
        sobol = qmc.Sobol(len(reference), rng=np.random.default_rng(seed))
        found, drawn = np.empty((0, len(reference))), 0
        while len(found) < POINTS and drawn < MOST_POINTS:
            points = ideal + sobol.random(4 * POINTS) * (reference - ideal)
            drawn += len(points)
            found = np.concatenate([found, points[~_dominated(points, front)]])
        self._volume = float(np.prod(reference - ideal)) / drawn
        self._points = found

    def __call__(self, mean: Values, deviation: Values) -> Values:
        starts = range(0, len(mean), CANDIDATES_AT_ONCE)
        rows = [slice(start, start + CANDIDATES_AT_ONCE) for start in starts]
        return np.concatenate([self._gains(mean[some], deviation[some]) for some in rows] or [np.empty(0)])

    def add(self, values: Values) -> None:
        self._points = self._points[~_dominated(self._points, values[None])]

    def _gains(self, mean: Values, deviation: Values) -> Values:
        chance = np.ones((len(mean), len(self._points)))
        for objective in range(mean.shape[1]):
            away = self._points[:, objective] - mean[:, [objective]]
            spread = deviation[:, [objective]]
            if (spread > 0).any():
                chance *= ndtr(away / np.maximum(spread, 1e-12))
            else:
                chance *= away >= 0
        return self._volume * chance.sum(axis=1)


def _expected_shortfall(levels: Values, mean: Values, deviation: Values) -> Values:
    """E[max(0, level - v)] of normal v."""
    deviation = np.maximum(deviation, 1e-12)
    ratio = (levels - mean) / deviation
    density = np.exp(-0.5 * np.minimum(ratio**2, 1400.0)) / np.sqrt(2 * np.pi)
    return deviation * np.maximum(0.0, ratio * ndtr(ratio) + density)


def _dominated(points: Values, front: Values) -> NDArray[np.bool_]:
    found = np.zeros(len(points), dtype=np.bool_)
    for member in front:
        found |= (member <= points).all(axis=1)
    return found
