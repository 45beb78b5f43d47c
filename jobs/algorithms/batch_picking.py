"""Picks a diverse batch: each pick as if those before it were scored as predicted.

m candidates, M objectives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .expected_improvement import Improvement
from .problem import Values

ROUNDS_OF_MANY = 8


def pick(
    improvement: Improvement,
    mean: Values,
    covariance: Values,
    noise: Values,
    uncertain: NDArray[np.bool_],
    chance: Values,
    count: int,
) -> NDArray[np.intp]:
    """`count` rows of `mean` (m, M), one after the other, best first.

    `covariance` (uncertain objectives, m, m) and `noise` (uncertain objectives,) belong to the columns that
    `uncertain` (M,) marks; `chance` (m,) is how likely a score comes at all. A pick makes the scores of its like
    certain, so the next one is another.
    """
    open_ = np.ones(len(mean), dtype=np.bool_)
    picked: list[int] = []
    while len(picked) < min(count, len(mean)):
        deviation = deviations(np.diagonal(covariance, axis1=1, axis2=2).T, uncertain)
        order = best_first(chance * improvement(mean, deviation), deviation)
        chosen = int(order[open_[order]][0])
        open_[chosen] = False
        picked.append(chosen)
        improvement.add(mean[chosen])
        covariance = _told(covariance, noise, chosen)
    return np.array(picked, dtype=np.intp)


def pick_many(
    improvement: Improvement, mean: Values, deviation: Values, chance: Values, count: int
) -> NDArray[np.intp]:
    """`count` rows of `mean` (m, M) in a few rounds, each of which counts the rounds before as found."""
    open_ = np.ones(len(mean), dtype=np.bool_)
    picked: list[int] = []
    while len(picked) < min(count, len(mean)):
        order = best_first(chance * improvement(mean, deviation), deviation)
        chosen = order[open_[order]][: min(-(-count // ROUNDS_OF_MANY), count - len(picked))]
        open_[chosen] = False
        picked += chosen.tolist()
        for number in chosen:
            improvement.add(mean[number])
    return np.array(picked, dtype=np.intp)


def best_first(gains: Values, deviation: Values) -> NDArray[np.intp]:
    """The order by expected gain; where none is left to expect, what is least known comes first."""
    return np.lexsort([-deviation.max(axis=1), -gains])


def deviations(variance: Values, uncertain: NDArray[np.bool_]) -> Values:
    """Standard deviations (m, M) of all objectives from variances (m, uncertain objectives)."""
    every = np.zeros((len(variance), len(uncertain)))
    every[:, uncertain] = np.sqrt(np.maximum(variance, 1e-18))
    return every


def _told(covariance: Values, noise: Values, row: int) -> Values:
    """The covariance once the score of a row is known."""
    column = covariance[:, :, row]
    known = column[:, row] + noise + 1e-18
    return covariance - column[:, :, None] * column[:, None, :] / known[:, None, None]
