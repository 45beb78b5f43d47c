"""What architectures cost in a workload, one by one or as arrays, and how it follows from what their sections cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .composition import Composition
from .costs import (
    FIXED,
    GAPS,
    HELD,
    HIGH_US,
    KERNEL_US,
    LOW_US,
    MEASURED_US,
    OUTSIDE_US,
    PARAMS,
    PEAK,
    SKEWED_US,
    STATE,
)

# Of a load that lies evenly between balanced (0) and skewed (1).
MEAN, P95 = 0.5, 0.95
# Kernels outside of what was measured matter from this part of the time on.
NOTICEABLE = 0.005

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True)
class Prediction:
    """What an architecture costs in one workload.

    `low_ms` to `high_ms` covers about 90 % of such architectures. `measured_share` is the part of the kernel time that
    was measured rather than predicted; `extrapolates` says that a noticeable part is in kernels outside of what was
    measured. Loads of experts and groups are balanced; `mean_ms` and `p95_ms` are the mean
    and the 95th percentile of the latency if they lie anywhere between that and an uneven load (see `Measurement`),
    the same as `latency_ms` where nothing is routed. `peak_memory_bytes` counts parameters, buffers, activations and,
    in decoding, the state (old and new together); `state_bytes` is what `init_state` allocates for this batch.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    mean_ms: float
    p95_ms: float
    measured_share: float
    extrapolates: bool
    param_count: int
    peak_memory_bytes: int
    state_bytes: int


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of many architectures: an array for each field of `Prediction`, an entry per architecture."""

    latency_ms: Floats
    low_ms: Floats
    high_ms: Floats
    mean_ms: Floats
    p95_ms: Floats
    measured_share: Floats
    extrapolates: Truths
    param_count: Integers
    peak_memory_bytes: Integers
    state_bytes: Integers

    @classmethod
    def of(cls, totals: Floats, composition: Composition) -> Predictions:
        """Predictions from the summed costs of each architecture's sections (see `CostTable.totals`)."""
        latency_ms = composition.latency_ms(totals[:, KERNEL_US] / 1e3, totals[:, GAPS[composition.gap]])
        uneven_ms = composition.kernel_factor * (totals[:, SKEWED_US] - totals[:, KERNEL_US]) / 1e3
        return cls(
            latency_ms=latency_ms,
            low_ms=np.maximum(0.0, latency_ms * (1 - _reach(composition, totals, LOW_US, latency_ms))),
            high_ms=latency_ms * (1 + _reach(composition, totals, HIGH_US, latency_ms)),
            mean_ms=latency_ms + MEAN * uneven_ms,
            p95_ms=latency_ms + P95 * uneven_ms,
            measured_share=totals[:, MEASURED_US] / totals[:, KERNEL_US],
            extrapolates=totals[:, OUTSIDE_US] > NOTICEABLE * totals[:, KERNEL_US],
            param_count=totals[:, PARAMS].astype(np.int64),
            peak_memory_bytes=(totals[:, FIXED] + totals[:, HELD] + totals[:, PEAK]).astype(np.int64),
            state_bytes=totals[:, STATE].astype(np.int64),
        )

    @classmethod
    def joined(cls, parts: list[Predictions]) -> Predictions:
        """The predictions of all parts, one after the other."""
        return cls(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)}
        )

    def __len__(self) -> int:
        return len(self.latency_ms)

    def __iter__(self) -> Iterator[Prediction]:
        arrays = (getattr(self, field.name).tolist() for field in fields(self))
        return (Prediction(*values) for values in zip(*arrays, strict=True))


def _reach(composition: Composition, totals: Floats, bound: int, latency_ms: Floats) -> Floats:
    """Relative reach of the interval on one side.

    Errors of unmeasured kernels are taken to go together (one regression made them), so they add up; they are
    independent of how kernels compose, so the two add in squares.
    """
    kernels = composition.kernel_factor * np.abs(totals[:, bound] - totals[:, KERNEL_US]) / 1e3 / latency_ms
    return np.sqrt(composition.interval**2 + kernels**2)
