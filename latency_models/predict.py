"""From an architecture to its latency and memory, without running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..search_space import Architecture, SearchSpace
from ..supernet import Shape
from .composition import Composition
from .fit import KernelModel
from .least import SIZES, least, least_size
from .profile import DeviceProfile
from .sections import Setting, members
from .trace import Section, Tracer
from .workload import Workload

QUANTITIES = ("latency_ms", *SIZES)

# Columns of a section's row in the cost table.
KERNEL_US, LOW_US, HIGH_US, MEASURED_US, LAUNCHES, PARAMS, FIXED, HELD, STATE, PEAK = range(10)


@dataclass(frozen=True)
class Prediction:
    """What an architecture costs in one workload.

    `low_ms` to `high_ms` covers about 90 % of such architectures. `measured_share` is the part of the kernel time that
    was measured rather than predicted. `peak_memory_bytes` counts parameters, buffers, activations and, in decoding,
    the state (old and new together); `state_bytes` is what `init_state` allocates for this batch.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    measured_share: float
    param_count: int
    peak_memory_bytes: int
    state_bytes: int


@dataclass
class _Costs:
    """The sections of one workload met so far: a row of numbers each."""

    index: dict[Setting, int] = field(default_factory=dict)
    rows: list[list[float]] = field(default_factory=list)


class Predictor:
    """Predicts for one device and one model shape. Costs are kept per half block, so a population is cheap."""

    def __init__(self, kernels: KernelModel, composition: dict[str, Composition], shape: Shape) -> None:
        self.shape = shape
        self.composition = composition
        self._kernels = kernels
        self._tracer = Tracer(shape)
        self._costs: dict[Workload, _Costs] = {}

    def predict(self, architecture: Architecture, workload: Workload) -> Prediction:
        """Latency, memory and parameters of one architecture.

        Raises:
            InputError: the workload does not fit the context, or its phase is not calibrated on this device.
        """
        return self.predict_many([architecture], workload)[0]

    def predict_many(self, architectures: Sequence[Architecture], workload: Workload) -> list[Prediction]:
        """`predict` for many architectures at once."""
        composition = self._composition(workload)
        if not architectures:
            return []
        members = [self._members(architecture, workload) for architecture in architectures]
        rows = np.array(self._costs[workload].rows)[np.concatenate([np.array(member) for member in members])]
        starts = np.cumsum([0, *(len(member) for member in members[:-1])])
        sums = np.add.reduceat(rows, starts, axis=0)
        peaks = np.maximum.reduceat(rows[:, PEAK], starts)
        latency_ms = composition.latency_ms(sums[:, KERNEL_US] / 1e3, sums[:, LAUNCHES])
        low_ms = latency_ms * (1 - self._reach(composition, sums, LOW_US, latency_ms))
        high_ms = latency_ms * (1 + self._reach(composition, sums, HIGH_US, latency_ms))
        memory = sums[:, FIXED] + sums[:, HELD] + peaks
        share = sums[:, MEASURED_US] / sums[:, KERNEL_US]
        return [
            Prediction(
                latency_ms=float(latency_ms[one]),
                low_ms=max(0.0, float(low_ms[one])),
                high_ms=float(high_ms[one]),
                measured_share=float(share[one]),
                param_count=int(sums[one, PARAMS]),
                peak_memory_bytes=int(memory[one]),
                state_bytes=int(sums[one, STATE]),
            )
            for one in range(len(architectures))
        ]

    def breakdown(self, architecture: Architecture, workload: Workload) -> list[dict[str, Any]]:
        """Where the latency goes: one row per layer, operator and source, then the launches and what is fixed.

        Every row has layer, op, family, calls, latency_ms and measured; the latencies add up to the prediction.
        """
        composition = self._composition(workload)
        rows: dict[tuple[str, str, bool], dict[str, Any]] = {}
        launches = 0
        for one in self._tracer.calls(architecture, workload):
            time = self._kernels.time(one.call)
            launches += one.launches
            row = rows.setdefault(
                (one.layer, one.call.op, time.measured),
                {"layer": one.layer, "op": one.call.op, "family": one.call.family, "calls": 0, "latency_ms": 0.0}
                | {"measured": time.measured},
            )
            row["calls"] += 1
            row["latency_ms"] += composition.kernel_factor * time.time_us / 1e3
        rest = {"layer": "host", "family": "launch", "measured": False}
        gaps = {**rest, "op": "launch gaps", "calls": launches, "latency_ms": composition.launch_ms * launches}
        fixed = {**rest, "op": "fixed", "calls": 1, "latency_ms": composition.fixed_ms}
        return [*rows.values(), gaps, fixed]

    def least(self, space: SearchSpace, workload: Workload, quantity: str) -> float:
        """The least latency_ms, param_count or peak_memory_bytes predicted for any architecture of the space.

        Exact: sections add up independently of each other, so every layer takes its cheapest half.

        Raises:
            InputError: an unknown quantity, or see `predict`.
        """
        if quantity not in QUANTITIES:
            raise InputError(f"quantity: one of {', '.join(QUANTITIES)}; got {quantity!r}")
        if quantity != "latency_ms":
            return least_size(space, self.shape, workload, quantity)
        composition = self._composition(workload)

        def latency_ms(setting: Setting, section: Section) -> tuple[float, float]:
            row = self._row(setting, section, workload)
            return composition.kernel_factor * row[KERNEL_US] / 1e3 + composition.launch_ms * row[LAUNCHES], 0.0

        return composition.fixed_ms + least(space, self._tracer, workload, latency_ms)

    def _composition(self, workload: Workload) -> Composition:
        workload.check(self.shape)
        if workload.phase not in self.composition:
            known = ", ".join(sorted(self.composition)) or "nothing"
            raise InputError(f"phase: calibrated on this device is {known}; got {workload.phase!r}")
        return self.composition[workload.phase]

    @staticmethod
    def _reach(
        composition: Composition, sums: NDArray[np.float64], bound: int, latency_ms: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Relative reach of the interval on one side.

        Errors of unmeasured kernels are taken to go together (one regression made them), so they add up; they are
        independent of how kernels compose, so the two add in squares.
        """
        kernels = composition.kernel_factor * np.abs(sums[:, bound] - sums[:, KERNEL_US]) / 1e3 / latency_ms
        return np.sqrt(composition.interval**2 + kernels**2)

    def _members(self, architecture: Architecture, workload: Workload) -> list[int]:
        """The table rows of an architecture's sections."""
        index = self._costs.setdefault(workload, _Costs()).index
        for member in members(architecture):
            if member.setting not in index:
                section = self._tracer.section(member.setting, member.block, workload)
                self._row(member.setting, section, workload)
        return [index[member.setting] for member in members(architecture)]

    def _row(self, setting: Setting, section: Section, workload: Workload) -> list[float]:
        costs = self._costs.setdefault(workload, _Costs())
        if setting not in costs.index:
            times = [self._kernels.time(one.call) for one in section.calls]
            costs.index[setting] = len(costs.rows)
            costs.rows.append(
                [
                    sum(time.time_us for time in times),
                    sum(time.low_us for time in times),
                    sum(time.high_us for time in times),
                    sum(time.time_us for time in times if time.measured),
                    section.launches,
                    section.param_count,
                    section.fixed_bytes,
                    section.held_bytes,
                    section.state_bytes,
                    section.peak_bytes,
                ]
            )
        return costs.rows[costs.index[setting]]


def fit_predictor(profile: DeviceProfile, shape: Shape) -> Predictor:
    """Fit the regressions of a device's measurements; how kernels add up is taken from its composition.

    Raises:
        InputError: the profile has no measurements or is not calibrated.
    """
    if not profile.measurements:
        raise InputError(f"device {profile.name}: measure its kernels first; got no measurements")
    if not profile.composition:
        raise InputError(f"device {profile.name}: calibrate it first; got no composition")
    composition = {phase: Composition(**fields) for phase, fields in profile.composition.items()}
    return Predictor(KernelModel(profile.measurements), composition, shape)
