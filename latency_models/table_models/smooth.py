"""The regression for small tables: one smooth function of the sizes, and its errors on shapes it did not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..tables import TableKind
from .conformal import Intervals
from .estimate import Estimate
from .family import Family
from .few import FewFeatures
from .limits import Limits
from .own_features import OwnFeatures
from .process import Process

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SmoothRegression:
    """What was learned: a Gaussian process on log(time / roofline) of `rows`, with outliers held to less."""

    own: OwnFeatures
    rows: pd.DataFrame
    features: FewFeatures
    process: Process
    intervals: Intervals

    @classmethod
    def fit(
        cls, kind: TableKind, family: Family, limits: Limits, rows: pd.DataFrame, fold: NDArray[np.int64], seed: int
    ) -> SmoothRegression:
        """Learn from `rows` in canonical form; `fold` has whole shapes, counted from 0. Nothing is drawn by `seed`."""
        own = OwnFeatures.of(kind, family, limits, rows)
        features = FewFeatures.of(kind, rows, own.roofline)
        points = features.of_rows(rows)
        target = np.log(rows["latency_us"].to_numpy(float) / own.roofline_us(rows))
        process = Process.fit(points, target).without_outliers(target)
        held_out, deviation = np.empty_like(target), np.empty_like(target)
        for number in range(fold.max() + 1):
            out = fold == number
            held_out[out], deviation[out] = process.given(~out, target).predict(points[out])
        expected = np.sqrt(deviation**2 + process.noise)
        predicted_us = np.exp(held_out) * own.roofline_us(rows)
        return cls(own, rows, features, process, Intervals.of(predicted_us, (target - held_out) / expected))

    def estimate(self, rows: pd.DataFrame) -> Estimate:
        """Predict the rows of a canonical frame, which needs no `latency_us`."""
        ratio, deviation = self.process.predict(self.features.of_rows(rows))
        time_us = np.exp(ratio) * self.own.roofline_us(rows)
        below, above = self.intervals.reach(time_us, np.sqrt(deviation**2 + self.process.noise))
        return Estimate(time_us, time_us * np.exp(-below), time_us * np.exp(above))
