"""Time over roofline, learned from rows that share one roofline, and how far off it is on shapes not seen.

Two sets of boosted trees, both on log(time / roofline): one on sizes, and one that corrects it by how it missed the
nearest measured rows. The errors that intervals come from are those on whole shapes that the trees did not see.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..tables import TableKind
from .conformal import Intervals
from .estimate import Estimate
from .family import Family
from .limits import Limits
from .neighbour_features import neighbour_features
from .neighbours import Neighbours
from .own_features import OwnFeatures
from .trees import Forest, Growth

Values = NDArray[np.float64]

BASE = Growth(rounds=300, depth=8, rate=0.08)
CORRECTION = Growth(rounds=200, depth=6, rate=0.06)
SPREAD = Growth(rounds=50, depth=5, rate=0.1, least_rows=30, objective="reg:squarederror")
# No error is expected to be less than this.
LEAST_SPREAD = 0.002
# Below the fastest measured ratio by this factor, no prediction is believed.
CLAMP = 0.95
# The half width of a normal distribution's central 90 %, in standard deviations.
NORMAL_90 = 1.645
# How much of an interval's width may be put down to one set of trees missing what the mean of all sets hits.
MOST_AVERAGED_AWAY = 0.7


UNCHECKED = Intervals(decades=np.array([0]), low=np.array([-1.0]), high=np.array([1.0]))


@dataclass(frozen=True, eq=False)
class Regression:
    """What was learned. `rows` are the measured rows, `target` their log(time / roofline), `missed` how far the trees
    on sizes, grown without them, are below it. `intervals` are of one fold's trees, `checks` of all folds' together, in
    units of what the former say of them."""

    own: OwnFeatures
    rows: pd.DataFrame
    target: Values
    missed: Values
    neighbours: tuple[Neighbours, ...]
    base: Forest
    correction: Forest
    spread: Forest
    intervals: Intervals
    checks: Intervals = UNCHECKED

    @classmethod
    def fit(
        cls, kind: TableKind, family: Family, limits: Limits, rows: pd.DataFrame, fold: NDArray[np.int64], seed: int
    ) -> Regression:
        """Learn from `rows` in canonical form; `fold` has whole shapes, counted from 0.

        How far intervals reach is checked on the first fold, by a regression of the others.
        """
        out = fold == 0
        trial = cls._grown(kind, family, limits, rows[~out].reset_index(drop=True), fold[~out] - 1, seed)
        return replace(cls._grown(kind, family, limits, rows, fold, seed), checks=trial._check(rows[out]))

    @classmethod
    def _grown(
        cls, kind: TableKind, family: Family, limits: Limits, rows: pd.DataFrame, fold: NDArray[np.int64], seed: int
    ) -> Regression:
        own = OwnFeatures.of(kind, family, limits, rows)
        roofline_us = own.roofline_us(rows)
        target = np.log(rows["latency_us"].to_numpy(float) / roofline_us)
        sizes = own.of_rows(rows)
        base = Forest.grow(sizes, target, fold, BASE, seed)
        missed = target - base.held_out(sizes, fold)
        neighbours = tuple(Neighbours(axis, rows) for axis in family.axes)
        wide = _wide(sizes, target - missed, neighbour_features(neighbours, rows, rows, roofline_us, target, missed))
        correction = Forest.grow(wide, missed, fold, CORRECTION, seed)
        error = missed - correction.held_out(wide, fold)
        spread = Forest.grow(wide, np.abs(error), fold, SPREAD, seed)
        expected = np.maximum(spread.held_out(wide, fold), LEAST_SPREAD)
        intervals = Intervals.of(np.exp(target - error) * roofline_us, error / expected)
        return cls(own, rows, target, missed, neighbours, base, correction, spread, intervals)

    def estimate(self, rows: pd.DataFrame) -> Estimate:
        """Predict the rows of a canonical frame, which needs no `latency_us`."""
        roofline_us = self.own.roofline_us(rows)
        sizes = self.own.of_rows(rows)
        each_base = self.base.predict_each(sizes)
        found = neighbour_features(self.neighbours, self.rows, rows, roofline_us, self.target, self.missed)
        wide = _wide(sizes, each_base.mean(axis=0), found)
        each = each_base + self.correction.predict_each(wide)
        ratio = np.maximum(each.mean(axis=0), self.target.min() + np.log(CLAMP))
        time_us = np.exp(ratio) * roofline_us
        expected = np.maximum(self.spread.predict_each(wide).mean(axis=0), LEAST_SPREAD)
        below, above = self.intervals.reach(time_us, expected)
        disagreement = each.var(axis=0)
        below, above = self.checks.reach(time_us, _averaged(below, disagreement), _averaged(above, disagreement))
        return Estimate(time_us, time_us * np.exp(-below), time_us * np.exp(above))

    def _check(self, measured: pd.DataFrame) -> Intervals:
        """How far latencies of shapes not seen lie off, in units of how far their intervals reach."""
        found = self.estimate(measured)
        error = np.log(measured["latency_us"].to_numpy(float) / found.time_us)
        reach = np.log(np.where(error < 0, found.time_us / found.low_us, found.high_us / found.time_us))
        return Intervals.corrections(found.time_us, error / np.maximum(reach, LEAST_SPREAD))


def _wide(sizes: NDArray[np.float32], base: Values, found: Values) -> NDArray[np.float32]:
    return np.column_stack([sizes, base, found]).astype(np.float32)


def _averaged(reach: Values, disagreement: Values) -> Values:
    """How far an interval reaches around the mean of all folds' trees, where `reach` is that around one fold's.

    The squared error of one exceeds that of the mean by their variance.  Source: Krogh and Vedelsby, NIPS 1994.
    """
    return np.sqrt(np.maximum(reach**2 - NORMAL_90**2 * disagreement, (1 - MOST_AVERAGED_AWAY) * reach**2))
