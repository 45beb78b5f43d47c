"""Kernel times: measured ones are looked up, the others follow from the measured ones of their family.

The regression is of time over roofline, in log space. The roofline comes from the measurements themselves: the peak
arithmetic and memory rates that any of them reached.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..calls import KernelCall
from ..families import UNKNOWN
from ..measuring.measurement import Measurement

LEAST_IN_FAMILY = 8
FOLDS = 8
RIDGE = 0.03
COVERAGE = 0.9
NEVER_SURER_THAN = math.log(1.03)
POOLED_FACTOR = math.log(2.0)
BLIND_FACTOR = math.log(4.0)
EXTRAPOLATION = 2.0

Source = Literal["measured", "regression", "table", "transfer", "bytes"]


@dataclass(frozen=True)
class KernelTime:
    """Microseconds of one call. A measured call has no interval of its own: its error is in the composition's.

    `source` says what a call that was not measured is priced by, `extrapolates` that it lies outside of what is known.
    `skewed_us` is the time with an uneven load (see `Measurement`), None where nothing is routed or nobody knows.
    """

    time_us: float
    low_us: float
    high_us: float
    measured: bool
    source: Source = "measured"
    extrapolates: bool = False
    skewed_us: float | None = None


class KernelTimes(Protocol):
    """Whatever knows how long a call takes on a device."""

    def time(self, call: KernelCall) -> KernelTime: ...

    def times(self, calls: Sequence[KernelCall]) -> list[KernelTime]: ...


@dataclass(frozen=True)
class Roofline:
    """The best rates seen, per microsecond, and the time of the shortest kernel."""

    flops_per_us: float
    bytes_per_us: float
    floor_us: float

    @classmethod
    def of(cls, measurements: Sequence[Measurement]) -> Roofline:
        """The roofline that these measurements show."""
        time = np.array([measurement.median_us for measurement in measurements])
        flops = np.array([measurement.call.flops for measurement in measurements])
        moved = np.array([measurement.call.bytes for measurement in measurements])
        return cls(
            flops_per_us=max(float(np.max(flops / time)), 1.0),
            bytes_per_us=max(float(np.max(moved / time)), 1.0),
            floor_us=float(np.min(time)),
        )

    def time_us(self, call: KernelCall) -> float:
        """Microseconds a call would take at the best rates."""
        return self.floor_us + max(call.flops / self.flops_per_us, call.bytes / self.bytes_per_us)


class KernelModel:
    """Predicts the time of any call from a device's measurements."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._known = {measurement.call.key: measurement for measurement in measurements}
        assert self._known, "a kernel model needs at least one measurement"
        known = [self._known[key] for key in sorted(self._known)]
        self._roofline = Roofline.of(known)
        families = {measurement.call.family for measurement in known} - {UNKNOWN}
        members = {family: [m for m in known if m.call.family == family] for family in families}
        self._families = {
            family: _Regression(rows, self._roofline)
            for family, rows in members.items()
            if len(rows) >= LEAST_IN_FAMILY
        }
        self._pooled = _Regression(known, self._roofline) if len(known) >= LEAST_IN_FAMILY else None
        self._times: dict[str, KernelTime] = {}
        self._skews = _skews(known)

    def time(self, call: KernelCall) -> KernelTime:
        """Measured if there is a measurement, else predicted with an interval that covers 90 % of such calls."""
        if call.key not in self._times:
            self._times[call.key] = self._look_up(call)
        return self._times[call.key]

    def times(self, calls: Sequence[KernelCall]) -> list[KernelTime]:
        """The times of calls, one after the other."""
        return [self.time(call) for call in calls]

    def _look_up(self, call: KernelCall) -> KernelTime:
        if call.key in self._known:
            known = self._known[call.key]
            time_us = known.median_us
            return KernelTime(time_us, time_us, time_us, measured=True, skewed_us=known.skewed_us)
        source: Source = "regression"
        if call.family in self._families:
            log_time, below, above, inside = self._families[call.family].predict(call)
        elif self._pooled and call.family != UNKNOWN:
            log_time, below, above, inside = self._pooled.predict(call)
            below, above = max(below, POOLED_FACTOR), max(above, POOLED_FACTOR)
        else:
            # Nothing is known but how much it moves.
            log_time = math.log(self._roofline.floor_us + call.bytes / self._roofline.bytes_per_us)
            below = above = BLIND_FACTOR
            source, inside = "bytes", True
        low, time, high = (math.exp(log_time + step) for step in (-below, 0.0, above))
        skewed_us = time * self._skews[call.op] if call.op in self._skews else None
        return KernelTime(time, low, high, False, source, extrapolates=not inside, skewed_us=skewed_us)


def _skews(known: Sequence[Measurement]) -> dict[str, float]:
    """By operator that routes, how much longer an uneven load typically takes."""
    ratios: dict[str, list[float]] = {}
    for one in known:
        if one.skewed_us is not None:
            ratios.setdefault(one.call.op, []).append(one.skewed_us / one.median_us)
    return {op: statistics.median(found) for op, found in ratios.items()}


class _Regression:
    """Ridge regression of log(time / roofline) on one family, and the quantiles of its cross-validated residuals."""

    def __init__(self, rows: Sequence[Measurement], roofline: Roofline) -> None:
        self._roofline = roofline
        self._ops = sorted({row.call.op for row in rows})
        features = np.array([self._features(row.call) for row in rows])
        target = np.array([math.log(row.median_us / roofline.time_us(row.call)) for row in rows])
        self._center, scale = features.mean(axis=0), features.std(axis=0)
        self._scale = np.where(scale > 0, scale, 1.0)
        self._low, self._high = features.min(axis=0), features.max(axis=0)
        standard = (features - self._center) / self._scale
        self._mean, self._weights = _ridge(standard, target)
        below, above = _cross_validated(standard, target)
        self._below, self._above = max(below, NEVER_SURER_THAN), max(above, NEVER_SURER_THAN)

    def predict(self, call: KernelCall) -> tuple[float, float, float, bool]:
        """Log microseconds, how far down and up the interval reaches, and whether the call is like those measured."""
        features = np.array(self._features(call))
        inside = bool(np.all((features >= self._low - 1e-9) & (features <= self._high + 1e-9)))
        # Outside of what was measured the nearest measured utilisation holds better than the slope.
        clipped = np.clip(features, self._low, self._high)
        utilisation = self._mean + float(((clipped - self._center) / self._scale) @ self._weights)
        widen = 1.0 if inside else EXTRAPOLATION
        log_time = utilisation + math.log(self._roofline.time_us(call))
        return log_time, self._below * widen, self._above * widen, inside

    def _features(self, call: KernelCall) -> list[float]:
        roof = math.log(self._roofline.time_us(call))
        arguments = json.loads(call.arguments)
        tensors = list(_tensors(arguments.get("args", [])))
        inner = math.log1p(tensors[0]["tensor"][-1]) if tensors and tensors[0]["tensor"] else 0.0
        last = math.log1p(tensors[-1]["tensor"][-1]) if tensors and tensors[-1]["tensor"] else 0.0
        strided = sum(not _is_dense(tensor) for tensor in tensors)
        shape = [roof, roof * roof, math.log1p(call.bytes), math.log1p(call.flops), inner, last, float(strided)]
        return shape + [float(call.op == op) for op in self._ops]


def _ridge(features: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    mean = float(target.mean())
    penalty = RIDGE * len(target) * np.eye(features.shape[1])
    weights = np.linalg.solve(features.T @ features + penalty, features.T @ (target - mean))
    return mean, np.asarray(weights, dtype=np.float64)


def _cross_validated(features: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float, float]:
    """How far below and above its prediction a held-out target lies, at the quantiles that leave out 10 % together."""
    residuals = np.empty(len(target))
    fold = np.arange(len(target)) % min(FOLDS, len(target))
    for number in np.unique(fold):
        held_out = fold == number
        mean, weights = _ridge(features[~held_out], target[~held_out])
        residuals[held_out] = target[held_out] - mean - features[held_out] @ weights
    tail = (1 - COVERAGE) / 2
    return max(0.0, -float(np.quantile(residuals, tail))), max(0.0, float(np.quantile(residuals, 1 - tail)))


def _tensors(plain: Any) -> Iterable[dict[str, Any]]:
    if isinstance(plain, Mapping) and "tensor" in plain:
        yield dict(plain)
    elif isinstance(plain, list):
        for item in plain:
            yield from _tensors(item)


def _is_dense(tensor: Mapping[str, Any]) -> bool:
    """Whether the last axis is contiguous, so that rows can be read in one go."""
    return not tensor["tensor"] or tensor["stride"][-1] == 1 or tensor["tensor"][-1] == 1
