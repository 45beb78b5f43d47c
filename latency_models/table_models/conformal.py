"""Intervals that cover as often as they say: quantiles of held-out errors, by decade of the predicted latency."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

COVERAGE = 0.9
# A decade with fewer held-out rows takes the quantiles of all.
LEAST_IN_DECADE = 40
# A decade's own correction counts as much as that of all rows where it has so many.
DRAWN_BY = 1000
# A check corrects the reach of intervals by this factor at most: its shapes are few.
MOST_CORRECTED = 1.5


@dataclass(frozen=True)
class Intervals:
    """How far, in units of the expected error, latencies lie below and above their prediction: one row per decade.

    Split conformal prediction in groups.  Source: arXiv 2107.07511, section 4.1. Held-out rows have to come from whole
    shapes that the prediction did not see.
    """

    decades: NDArray[np.int64]
    low: Values
    high: Values

    @classmethod
    def of(cls, predicted_us: Values, scores: Values) -> Intervals:
        """`scores` are log(measured / predicted) over the error expected of that row."""
        decade = _decade(predicted_us)
        decades = np.unique(decade)
        counts = {number: int(np.sum(decade == number)) for number in decades}
        groups = [scores[decade == number] if counts[number] >= LEAST_IN_DECADE else scores for number in decades]
        return cls(
            decades=decades,
            low=np.array([-_quantile(-group) for group in groups]),
            high=np.array([_quantile(group) for group in groups]),
        )

    @classmethod
    def corrections(cls, predicted_us: Values, scores: Values) -> Intervals:
        """How far other intervals have to reach instead, where `scores` are errors in units of how far they reach.

        Decades with few rows are drawn to the correction of all, and none is corrected by more than `MOST_CORRECTED`.
        """
        decades, counts = np.unique(_decade(predicted_us), return_counts=True)
        share = counts / (counts + DRAWN_BY)
        own, all_rows = cls.of(predicted_us, scores), cls.of(np.ones(len(scores)), scores)
        low, high = (
            np.exp(share * _log_factor(mine) + (1 - share) * _log_factor(others))
            for mine, others in ((-own.low, -all_rows.low), (own.high, all_rows.high))
        )
        return cls(decades, -low, high)

    def reach(
        self, predicted_us: Values, expected_below: Values, expected_above: Values | None = None
    ) -> tuple[Values, Values]:
        """How far below and above log(predicted) latencies lie. Decades never seen take those of the nearest.

        The expected error may differ between the two sides.
        """
        decade = _decade(predicted_us)
        at = np.abs(self.decades[None, :] - decade[:, None]).argmin(axis=1)
        expected_above = expected_below if expected_above is None else expected_above
        return np.maximum(-self.low[at], 0.0) * expected_below, np.maximum(self.high[at], 0.0) * expected_above


def _log_factor(reach: Values) -> Values:
    return np.log(np.clip(reach, 1 / MOST_CORRECTED, MOST_CORRECTED))


def _decade(latency_us: Values) -> NDArray[np.int64]:
    return np.floor(np.log10(latency_us)).astype(np.int64)


def _quantile(scores: Values) -> float:
    """The upper quantile that leaves out half of what may be missed, raised for the number of scores."""
    level = (1 + COVERAGE) / 2
    return float(np.quantile(scores, min(1.0, math.ceil((len(scores) + 1) * level) / len(scores)), method="lower"))
