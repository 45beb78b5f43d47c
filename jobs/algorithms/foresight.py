"""How well scores were predicted before they were told."""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy.stats import kendalltau

from .algorithm import Quality
from .problem import Values

KEPT = 2000
# Half the width of a normal's central 90 % in standard deviations.
HALF_WIDTH = 1.645


class Foresight:
    """Compares predictions with the scores that came after, the latest `KEPT` of them."""

    def __init__(self) -> None:
        self._count = 0
        self._triples: deque[tuple[float, float, float]] = deque(maxlen=KEPT)

    def add(self, mean: float, deviation: float, score: float) -> None:
        """A score that had been predicted as `mean` +- `deviation`."""
        self._count += 1
        self._triples.append((mean, deviation, score))

    def quality(self) -> Quality | None:
        """The figures so far; None before the second score."""
        if len(self._triples) < 2:
            return None
        mean, deviation, score = np.array(self._triples).T
        away: Values = np.abs(score - mean)
        tau = kendalltau(mean, score).statistic
        return Quality(
            count=self._count,
            kendall_tau=0.0 if np.isnan(tau) else float(tau),
            mean_absolute_error=float(away.mean()),
            coverage=float((away <= HALF_WIDTH * deviation).mean()),
        )
