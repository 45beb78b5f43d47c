"""A model of one kernel table: fitted once, kept as bytes, asked for the latency of any call of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import InputError
from ..tables import TableKind
from .families import FAMILIES
from .holdout import shape_folds
from .limits import Limits
from .regression import Regression
from .roofline import Roofline
from .smooth import SmoothRegression
from .windows import has_windows, predict_windows

# Folds within what a model learns from; their held-out errors are what its intervals are made of.
INNER_FOLDS = 4
# How much further an interval reaches outside of the sizes that were measured.
EXTRAPOLATION = 2.0
# Beyond the largest size, waves are fuller than at any one size: the better of two sizes near the edge stands for it.
SHORT_OF_EDGE = 7 / 8

Part = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TableModel:
    """Regressions by the values of the labels that the family separates."""

    kind: TableKind
    limits: Limits
    parts: Mapping[Part, Regression | SmoothRegression]

    source: Literal["table"] = "table"

    @classmethod
    def fit(cls, kind: TableKind, frame: pd.DataFrame, limits: Limits, seed: int) -> TableModel:
        """Learn from a canonical frame. The same frame and seed give the same model.

        Raises:
            InputError: a part of the table has too few whole shapes to hold any out.
        """
        family = FAMILIES[kind.name]
        parts: dict[Part, Regression | SmoothRegression] = {}
        for part, rows in _parts(frame, family.separate):
            rows = rows.reset_index(drop=True)
            fold = shape_folds(kind, rows, INNER_FOLDS, seed)
            regression = SmoothRegression if family.smooth else Regression
            parts[part] = regression.fit(kind, family, limits, rows, fold, seed)
        return cls(kind, limits, parts)

    def knows(self, columns: Mapping[str, int | str]) -> bool:
        """Whether a call with these shape and label columns has labels that were measured."""
        return all(
            any(columns[label] in part.own.words[label] for part in self.parts.values()) for label in self.kind.labels
        )

    def usual_rows(self) -> pd.DataFrame:
        """What was measured of each part in the runtime that most of it was measured in."""
        return pd.concat([usual_rows(part.rows) for part in self.parts.values()])

    @property
    def roofline(self) -> Roofline:
        """The best memory rate of any part, and the arithmetic of the slowest, which is the widest type."""
        found = [part.own.roofline for part in self.parts.values()]
        return Roofline(
            flops_per_us=min(one.flops_per_us for one in found),
            bytes_per_us=max(one.bytes_per_us for one in found),
            floor_us=min(one.floor_us for one in found),
        )

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """`time_us`, the 90 % interval from `low_us` to `high_us`, and `extrapolates`, by the index of `frame`.

        `frame` has the kind's shape and labels. Without `runtime`, what each part was measured with most is meant. A
        row with a size outside of those measured is predicted at the share of the roofline that sizes near the edge
        reach, with a wider interval; one with a window that was not measured, between those that were.

        Raises:
            InputError: a label that has models of its own has a value that none was fitted for.
        """
        assert frame.index.is_unique, "predictions are matched with their rows by the index"
        found = [self._predict_part(part, rows) for part, rows in _parts(frame, FAMILIES[self.kind.name].separate)]
        return pd.concat(found).loc[frame.index] if found else pd.DataFrame(columns=COLUMNS)

    def _predict_part(self, part: Part, rows: pd.DataFrame) -> pd.DataFrame:
        if part not in self.parts:
            known = ", ".join(" ".join(one) for one in self.parts)
            labels = "/".join(FAMILIES[self.kind.name].separate)
            raise InputError(f"{self.kind.name}: {labels}: one of {known}; got {' '.join(part)}")
        regression = self.parts[part]
        if "runtime" not in rows:
            rows = rows.assign(runtime=usual_runtime(regression.rows))
        if not has_windows(self.kind):
            return self._predict_rows(regression, rows)
        return predict_windows(
            self.kind,
            regression.rows["window"].unique(),
            rows,
            partial(self._predict_rows, regression),
            regression.own.roofline_us,
            EXTRAPOLATION,
        )

    def _predict_rows(self, regression: Regression | SmoothRegression, rows: pd.DataFrame) -> pd.DataFrame:
        edge = _clipped(rows, regression.rows, self.kind)
        extrapolates = _outside(rows, edge, regression, self.kind)
        at_edge = _held(regression, edge, rows)
        found = at_edge
        if extrapolates.any():
            short = _held(regression, edge.assign(**_short_of(edge, rows, self.kind)), rows)
            better = extrapolates & (short["time_us"] < at_edge["time_us"]).to_numpy(bool)
            found = pd.DataFrame(np.where(better[:, None], short, at_edge), index=rows.index, columns=at_edge.columns)
        widen = np.where(extrapolates, EXTRAPOLATION, 1.0)
        time_us = found["time_us"]
        return found.assign(
            low_us=time_us * (found["low_us"] / time_us) ** widen,
            high_us=time_us * (found["high_us"] / time_us) ** widen,
            extrapolates=extrapolates,
        )


def _held(regression: Regression | SmoothRegression, at: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` at the share of the roofline that is predicted for the sizes `at`."""
    estimate = regression.estimate(at)
    times = pd.DataFrame(vars(estimate), index=rows.index)
    return times.mul(regression.own.roofline_us(rows) / regression.own.roofline_us(at), axis=0)


def usual_runtime(rows: pd.DataFrame) -> str:
    """What rows were measured with most."""
    return str(rows["runtime"].mode()[0])


def usual_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that were measured with what most of them were; none of none."""
    return rows[rows["runtime"] == usual_runtime(rows)] if len(rows) else rows


def _clipped(rows: pd.DataFrame, measured: pd.DataFrame, kind: TableKind) -> pd.DataFrame:
    """`rows` with each size moved to the nearest within those measured."""
    sizes = list(kind.shape)
    return rows.assign(**rows[sizes].clip(measured[sizes].min(), measured[sizes].max(), axis=1))


def _short_of(edge: pd.DataFrame, rows: pd.DataFrame, kind: TableKind) -> pd.DataFrame:
    """Sizes somewhat within the largest measured, for rows that are beyond it."""
    sizes = list(kind.shape)
    return edge[sizes].where(rows[sizes] <= edge[sizes], (edge[sizes] * SHORT_OF_EDGE).round().astype("int64"))


def _outside(
    rows: pd.DataFrame, nearest: pd.DataFrame, regression: Regression | SmoothRegression, kind: TableKind
) -> NDArray[np.bool_]:
    """Rows with a size beyond those measured, or a label that was not."""
    sizes = list(kind.shape)
    known = [rows[label].isin(regression.own.words[label]) for label in kind.labels]
    return ~(pd.concat([*known, (rows[sizes] == nearest[sizes]).all(axis=1)], axis=1).all(axis=1)).to_numpy(bool)


COLUMNS = ("time_us", "low_us", "high_us", "extrapolates")


def _parts(frame: pd.DataFrame, separate: tuple[str, ...]) -> list[tuple[Part, pd.DataFrame]]:
    if not separate:
        return [((), frame)] if len(frame) else []
    return [(tuple(map(str, values)), rows) for values, rows in frame.groupby(list(separate))]
