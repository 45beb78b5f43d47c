"""The latency of a model that runs without a CUDA graph: two timelines, host and device, and what is fitted of them.

The host does more in a model than dispatch operators: Python walks through its modules. How much more is one factor on
all dispatch times, fitted on whole models together with what starting and ending a run costs.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..calls import LayerCall
from ..measuring.host_cost import dispatch_us
from .fit import KernelModel
from .timeline import Microseconds, Timeline

# Dispatch from Python costs more than measured in a bare loop, and rarely ten times as much.
FACTORS = np.geomspace(0.5, 10.0, 241)


@dataclass(frozen=True)
class Dispatched:
    """The operators of a model or a section in order: what each costs the host and the device, in microseconds."""

    host_us: Microseconds
    kernel_us: Microseconds

    @classmethod
    def of(cls, calls: Sequence[LayerCall], kernels: KernelModel, costs: Mapping[str, float]) -> Dispatched:
        """From a trace, the device's kernels and the host's costs by family."""
        host_us = dispatch_us([one.call.family for one in calls], [one.launches for one in calls], costs)
        return cls(np.array(host_us), np.array([kernels.time(one.call).time_us for one in calls]))

    def timeline(self, host_factor: float) -> Timeline:
        """Its matrix, with the host slower by a factor."""
        return Timeline.of(host_factor * self.host_us, self.kernel_us)


@dataclass(frozen=True)
class EagerComposition:
    """latency = timeline with the host slower by `host_factor`, plus `fixed_us`; `mape` is the fit's mean error."""

    host_factor: float
    fixed_us: float
    mape: float

    def latency_us(self, model: Dispatched) -> float:
        """Microseconds from an idle host and device to the end of both."""
        return float(model.timeline(self.host_factor).total_us) + self.fixed_us


def fit_eager(models: Sequence[Dispatched], latency_us: Sequence[float]) -> EagerComposition:
    """The factor and the fixed time of the least mean relative error on measured models."""
    assert len(models) == len(latency_us) > 0, "one measured latency per model"
    return min((_fitted(factor, models, latency_us) for factor in FACTORS), key=lambda found: found.mape)


def _fitted(factor: float, models: Sequence[Dispatched], latency_us: Sequence[float]) -> EagerComposition:
    totals_us = [float(model.timeline(factor).total_us) for model in models]
    pairs = list(zip(totals_us, latency_us, strict=True))
    fixed_us = max(0.0, statistics.median(measured - total for total, measured in pairs))
    mape = statistics.fmean(abs((total + fixed_us) / measured - 1) for total, measured in pairs)
    return EagerComposition(float(factor), fixed_us, mape)
