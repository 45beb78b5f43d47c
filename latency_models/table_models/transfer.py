"""A new device from few measurements, starting at a model of another device.

None: the other device's share of the roofline, at the new device's rates. A few: one efficiency for all. Dozens: a
smooth correction on top. Hundreds: the mean of that and of a model of its own, which starts from nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import InputError
from ..tables import TableKind
from .conformal import COVERAGE, Intervals
from .few import FewFeatures, FewModel
from .holdout import row_folds
from .model import TableModel, usual_rows
from .process import Process
from .rates import Rates
from .roofline import Roofline

Values = NDArray[np.float64]

# Fewer measurements than this give one efficiency, and this many a model of the device's own.
CORRECT_FROM, OWN_FROM = 20, 300
FOLDS = 10
# How far, in logarithms, a device may be off of which nothing was measured: with its rates from a data sheet, without.
WITH_RATES, UNKNOWN = math.log(3.0), math.log(4.0)


@dataclass(frozen=True, eq=False)
class Transfer:
    """What a call takes on a device that is like another one.

    `rates` are those of the new and of the other device, from their data sheets; without them the new device is taken
    for the other until something is measured. `efficiency` is log(new device / other device) at the median, once both
    are seen at their rates. `intervals` are None with too few measurements to have held any out: then latencies are
    expected within `reach`, in logarithms.
    """

    kind: TableKind
    other: TableModel
    measured: pd.DataFrame
    rates: tuple[Rates, Rates] | None
    efficiency: float = 0.0
    correction: tuple[FewFeatures, Process] | None = None
    own: FewModel | None = None
    intervals: Intervals | None = None
    reach: float = UNKNOWN

    source: Literal["transfer"] = "transfer"

    @classmethod
    def fit(
        cls,
        kind: TableKind,
        other: TableModel,
        measured: pd.DataFrame,
        rates: tuple[Rates, Rates] | None = None,
    ) -> Transfer:
        """Learn from `measured`, a canonical frame of the new device, which may have no rows.

        Raises:
            InputError: a label that has models of its own has a value that the other device has none for, or nothing
                is known of the rate of a type that was measured.
        """
        if rates is not None and not all(one.tells_of(kind) for one in rates):
            rates = None
        _check_rates(kind, measured, rates)
        start = cls(kind, other, measured, rates, reach=UNKNOWN if rates is None else WITH_RATES)
        if measured.empty:
            return start
        missed = _log_latency(measured) - start._log_us(measured)
        found = replace(start, efficiency=float(np.median(missed)))
        if len(measured) < CORRECT_FROM:
            return replace(found, reach=_covering(_left_out(missed), start.reach))
        features = FewFeatures.of(kind, measured, Roofline.of(kind, measured))
        process = Process.fit(features.of_rows(measured), missed - found.efficiency)
        own = FewModel.fit(kind, measured) if len(measured) >= OWN_FROM else None
        found = replace(found, correction=(features, process), own=own)
        return replace(found, intervals=found._intervals(missed))

    @property
    def slower(self) -> float:
        """How many times as long calls take as on the other device, both at their rates."""
        return math.exp(self.efficiency)

    def knows(self, columns: dict[str, int | str]) -> bool:
        """Whether the other device's model does, and the rates of both devices are known."""
        dtype = columns.get("dtype")
        return self.other.knows(columns) and all(
            rates.knows(self.kind, None if dtype is None else str(dtype)) for rates in self.rates or ()
        )

    def usual_rows(self) -> pd.DataFrame:
        """What was measured on the new device, in the runtime that most of it was measured in."""
        return usual_rows(self.measured)

    @property
    def roofline(self) -> Roofline:
        """The other device's, at this one's rates and efficiency."""
        found, slower = self.other.roofline, self.slower
        faster = (1.0, 1.0)
        if self.rates is not None:
            new, old = self.rates
            shared = set(new.flops_per_us) & set(old.flops_per_us)
            compute = min((new.flops_per_us[dtype] / old.flops_per_us[dtype] for dtype in shared), default=1.0)
            faster = compute, new.bytes_per_us / old.bytes_per_us
        return Roofline(
            found.flops_per_us * faster[0] / slower, found.bytes_per_us * faster[1] / slower, found.floor_us
        )

    def predict_us(self, rows: pd.DataFrame) -> Values:
        """Microseconds of each row on the new device."""
        return self.predict(rows)["time_us"].to_numpy(float)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """As `TableModel.predict`; an interval is never narrower than that of the other device."""
        theirs = self.other.predict(frame.drop(columns="runtime", errors="ignore"))
        log_us, expected = self._log_us(frame, theirs), np.ones(len(frame))
        if self.correction is not None:
            features, process = self.correction
            shift, deviation = process.predict(features.of_rows(frame))
            log_us, expected = log_us + shift, np.sqrt(deviation**2 + process.noise)
        if self.own is not None:
            log_us = 0.5 * (log_us + np.log(self.own.predict_us(frame)))
        if self.intervals is None:
            below = above = self.reach * expected
        else:
            below, above = self.intervals.reach(np.exp(log_us), expected)
        below, above = (
            np.maximum(ours, np.abs(np.log((theirs[bound] / theirs["time_us"]).to_numpy(float))))
            for ours, bound in ((below, "low_us"), (above, "high_us"))
        )
        times = {"time_us": np.exp(log_us), "low_us": np.exp(log_us - below), "high_us": np.exp(log_us + above)}
        return pd.DataFrame(times, index=frame.index).assign(extrapolates=theirs["extrapolates"])

    def _log_us(self, rows: pd.DataFrame, theirs: pd.DataFrame | None = None) -> Values:
        """Log microseconds by the other device's model (what it says of the rows), rates and efficiency alone."""
        if theirs is None:
            theirs = self.other.predict(rows.drop(columns="runtime", errors="ignore"))
        log_us = np.log(theirs["time_us"].to_numpy(float)) + self.efficiency
        if self.rates is None:
            return log_us
        floor_us = self.other.roofline.floor_us
        new, old = (rates.time_us(self.kind, rows, floor_us) for rates in self.rates)
        return np.asarray(log_us + np.log(new / old))

    def _intervals(self, missed: Values) -> Intervals:
        """From what is missed by the correction, and the device's own model, of measurements they did not see."""
        assert self.correction is not None, "there are enough measurements"
        features, process = self.correction
        points, target = features.of_rows(self.measured), missed - self.efficiency
        left, deviation = np.empty_like(target), np.empty_like(target)
        own_left = np.zeros_like(target)
        fold = row_folds(self.kind, self.measured, FOLDS)
        log_us = _log_latency(self.measured)
        for number in np.unique(fold):
            out = fold == number
            shift, deviation[out] = process.given(~out, target).predict(points[out])
            left[out] = target[out] - shift
            if self.own is not None:
                own_left[out] = log_us[out] - self.own.without(out, self.measured)
        error = left if self.own is None else 0.5 * (left + own_left)
        expected = np.sqrt(deviation**2 + process.noise)
        return Intervals.of(np.exp(log_us - error), error / expected)


def _check_rates(kind: TableKind, measured: pd.DataFrame, rates: tuple[Rates, Rates] | None) -> None:
    for dtype in measured["dtype"].unique() if "dtype" in kind.labels else ():
        if not all(one.knows(kind, dtype) for one in rates or ()):
            raise InputError(f"{kind.name}: a rate of {dtype} on both devices, as it was measured; got none")


def _log_latency(measured: pd.DataFrame) -> Values:
    return np.log(measured["latency_us"].to_numpy(float))


def _left_out(missed: Values) -> Values:
    """How far each is from the median of the others."""
    if len(missed) == 1:
        return np.zeros(1)
    return np.array([abs(missed[index] - np.median(np.delete(missed, index))) for index in range(len(missed))])


def _covering(errors: Values, unknown: float) -> float:
    """What 90 % of further errors stay within, as split conformal prediction says; where that says infinite, as far
    as devices may be off of which nothing was measured."""
    rank = math.ceil((len(errors) + 1) * COVERAGE)
    largest = float(errors.max())
    return max(unknown, largest) if rank > len(errors) else float(np.sort(errors)[rank - 1])
