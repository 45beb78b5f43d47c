"""The latency of a model that runs without a CUDA graph: two timelines, host and device, and what is fitted of them.

The host does more in a model than dispatch operators: Python walks through its modules. How much more is one factor on
all dispatch times, fitted on whole models together with what starting and ending a run costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ..calls import LayerCall
from ..measuring.host_cost import dispatch_us
from .covering import covering
from .fit import KernelTimes
from .timeline import Microseconds, Timeline

# Dispatch from Python costs more than measured in a bare loop, and rarely ten times as much.
FACTORS = np.geomspace(0.5, 10.0, 241)


Bound = Literal["time_us", "low_us", "high_us"]


@dataclass(frozen=True)
class Dispatched:
    """The operators of a model or a section in order: what each costs the host and the device, in microseconds."""

    host_us: Microseconds
    kernel_us: Microseconds

    @classmethod
    def of(
        cls,
        calls: Sequence[LayerCall],
        kernels: KernelTimes,
        costs: Mapping[str, float],
        bound: Bound = "time_us",
    ) -> Dispatched:
        """From a trace, the device's kernels, at that bound of their times, and the host's costs by family."""
        host_us = dispatch_us([one.call.family for one in calls], [one.launches for one in calls], costs)
        kernel_us = [getattr(time, bound) for time in kernels.times([one.call for one in calls])]
        return cls(np.array(host_us), np.array(kernel_us))

    def timeline(self, host_factor: float | Microseconds) -> Timeline:
        """Its matrix, with the host slower by a factor, or, for several of them, (factors, 1), its matrices."""
        host_us = host_factor * self.host_us
        return Timeline.of(host_us, np.broadcast_to(self.kernel_us, host_us.shape))


@dataclass(frozen=True)
class EagerComposition:
    """latency = timeline with the host slower by `host_factor`, plus `fixed_us`; `mape` is the fit's mean error.

    `interval` is the relative error that 90 % of the models stay within when each is left out of the fit; `costs` what
    a dispatch costs the host, by family (see `host_costs`).
    """

    host_factor: float
    fixed_us: float
    mape: float
    interval: float = math.nan
    costs: Mapping[str, float] = field(default_factory=dict)

    def latency_us(self, model: Dispatched) -> float:
        """Microseconds from an idle host and device to the end of both."""
        return float(model.timeline(self.host_factor).total_us) + self.fixed_us


def fit_eager(models: Sequence[Dispatched], latency_us: Sequence[float]) -> EagerComposition:
    """The factor and the fixed time of the least mean relative error on measured models."""
    assert len(models) == len(latency_us) > 0, "one measured latency per model"
    return _fitted(_totals_us(models), np.array(latency_us))


def calibrate_eager(
    traces: Sequence[Sequence[LayerCall]], latency_us: Sequence[float], kernels: KernelTimes, costs: Mapping[str, float]
) -> EagerComposition:
    """The fit on whole models' traces and measured latencies, with the error it makes at models left out of it."""
    totals_us = _totals_us([Dispatched.of(calls, kernels, costs) for calls in traces])
    measured_us = np.array(latency_us)
    errors = []
    for index, own_us in enumerate(totals_us):
        found = _fitted(np.delete(totals_us, index, axis=0), np.delete(measured_us, index))
        predicted_us = own_us[np.searchsorted(FACTORS, found.host_factor)] + found.fixed_us
        errors.append(abs(predicted_us / measured_us[index] - 1))
    return replace(_fitted(totals_us, measured_us), interval=covering(np.array(errors)), costs=dict(costs))


def _totals_us(models: Sequence[Dispatched]) -> Microseconds:
    """How long each model takes with each of the factors, (models, factors)."""
    return np.stack([model.timeline(FACTORS[:, None]).total_us for model in models])


def _fitted(totals_us: Microseconds, measured_us: Microseconds) -> EagerComposition:
    fixed_us = np.maximum(0.0, np.median(measured_us[:, None] - totals_us, axis=0))
    mape = np.abs((totals_us + fixed_us) / measured_us[:, None] - 1).mean(axis=0)
    best = int(mape.argmin())
    return EagerComposition(float(FACTORS[best]), float(fixed_us[best]), float(mape[best]))
