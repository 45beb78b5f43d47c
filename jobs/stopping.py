"""When a search ends before its budget is spent, and which candidates are not worth scoring to the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..db import Evaluation
from ..db.front import Front
from ..db.hypervolume import dominated_volume
from .config import JobConfig
from .costs import SCORED

Values = NDArray[np.float64]


class Stopping:
    """Follows a job's front as evaluations are told, in their order."""

    def __init__(self, config: JobConfig) -> None:
        self._settings, self._objectives = config.search, config.objectives
        self._front = Front()
        self._worst = np.full(len(config.objectives), -np.inf)
        self._earlier: Values | None = None
        self._stalled = False
        self._told = 0
        self._least_loss = np.inf

    def tell(self, evaluation: Evaluation) -> bool:
        """Take an evaluation in. Returns whether it is on the front now."""
        self._told += 1
        on_front = False
        if evaluation.state == "complete":
            point = [getattr(evaluation, name) for name in self._objectives]
            on_front = self._front.offer(evaluation.digest, point) is not None
            self._worst = np.maximum(self._worst, point)
            self._least_loss = min(self._least_loss, evaluation.val_loss or np.inf)
        if self._settings.patience and self._told % self._settings.patience == 0:
            self._look_back()
        return on_front

    def reason(self, seconds: float) -> str:
        """Why the search should end now, `seconds` after it began; nothing while it should not."""
        limit = self._settings.seconds
        if limit is not None and seconds >= limit:
            return f"{limit:g} seconds are over after {self._told} evaluations"
        if self._stalled:
            patience, least = self._settings.patience, self._settings.least_gain
            return f"the last {patience} of {self._told} evaluations gained less than {least:.2%} of the hypervolume"
        return ""

    def bounds(self, costs: Values) -> list[float | None]:
        """For each architecture the loss above which it has no hope: that of the best that costs no more, if any.

        Args:
            costs: (architectures, objectives), what is known before scoring.
        """
        margin = self._settings.give_up_margin or 0.0
        points, loss = self._points(), self._objectives.index(SCORED)
        others = [column for column in range(len(self._objectives)) if column != loss]
        found: list[float | None] = []
        for cost in costs:
            losses = points[(points[:, others] <= cost[others]).all(axis=1), loss]
            found.append(float(losses.min()) * (1.0 + margin) if len(losses) else None)
        return found

    def best(self) -> str:
        """The least loss so far, in a few words."""
        return f"best loss {self._least_loss:.3f} nats" if np.isfinite(self._least_loss) else ""

    def _look_back(self) -> None:
        """Compare the front with that of the last time, both seen from the worst point so far."""
        points = self._points()
        if self._earlier is not None:
            before, now = (dominated_volume(front, self._worst) for front in (self._earlier, points))
            self._stalled = now - before <= self._settings.least_gain * now
        self._earlier = points

    def _points(self) -> Values:
        return np.array(list(self._front.members.values()), dtype=float).reshape(-1, len(self._objectives))
