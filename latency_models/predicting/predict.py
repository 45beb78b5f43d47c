"""From an architecture to its latency and memory, without running it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ...errors import InputError
from ...search_space import Architecture, SearchSpace
from ...search_space.population import Population
from ...supernet import Shape
from ..profile import DeviceProfile
from ..runtime import Runtime
from ..tracing.section import Section
from ..tracing.sections import Option, Setting, members
from ..tracing.trace import Tracer, tracer_for
from ..workload import Workload
from .composition import Composition
from .costs import GAPS, KERNEL_US, CostTable, padded
from .fit import KernelModel, KernelTimes
from .least import SIZES, least, least_size
from .population import SpaceRows
from .prediction import Prediction, Predictions

QUANTITIES = ("latency_ms", *SIZES)

# Architectures priced at once: their intermediate arrays stay in the processor's cache.
CHUNK = 4096


class Predictor:
    """Predicts for one device and one model shape. Costs are kept per half block, so a population is cheap."""

    def __init__(
        self, kernels: KernelTimes, composition: dict[str, Composition], shape: Shape, tracer: Tracer | None = None
    ) -> None:
        self.shape = shape
        self.composition = composition
        self._kernels = kernels
        self._tracer = tracer or Tracer(shape)
        self._costs: dict[Workload, CostTable] = {}
        self._rows: dict[tuple[SearchSpace, Workload], SpaceRows] = {}

    def predict(self, architecture: Architecture, workload: Workload) -> Prediction:
        """Latency, memory and parameters of one architecture.

        Raises:
            InputError: the workload does not fit the context, or its phase is not calibrated on this device.
        """
        return self.predict_many([architecture], workload)[0]

    def predict_many(self, architectures: Sequence[Architecture], workload: Workload) -> list[Prediction]:
        """`predict` for many architectures at once. A space's own architectures are quicker as a population."""
        composition = self._composition(workload)
        if not architectures:
            return []
        rows = padded([self._sections(architecture, workload) for architecture in architectures])
        return list(Predictions.of(self._table(workload).totals(rows), composition))

    def predict_population(self, population: Population, workload: Workload) -> Predictions:
        """`predict` for every architecture of a population.

        Raises:
            InputError: see `predict`.
        """
        composition, table = self._composition(workload), self._table(workload)
        space_rows = self._space_rows(population.space, workload)

        def price(option: Option) -> int:
            return table.row(option.setting, lambda: self._tracer.section(option.setting, option.block, workload))

        parts = []
        for start in range(0, max(1, len(population)), CHUNK):
            rows = space_rows.of(population.indices[start : start + CHUNK], price)
            parts.append(Predictions.of(table.totals(rows), composition))
        return Predictions.joined(parts)

    def breakdown(self, architecture: Architecture, workload: Workload) -> list[dict[str, Any]]:
        """Where the latency goes: one row per layer, operator and source, then the launches and what is fixed.

        Every row has layer, op, family, calls, latency_ms and measured; the latencies add up to the prediction. Those
        of kernels have the flops and bytes of all their calls.
        """
        composition = self._composition(workload)
        rows: dict[tuple[str, str, bool], dict[str, Any]] = {}
        gaps = sum(section.gaps(composition.gap) for _, section in self._tracer.sections(architecture, workload))
        for one in self._tracer.calls(architecture, workload):
            time = self._kernels.time(one.call)
            row = rows.setdefault(
                (one.layer, one.call.op, time.measured),
                {"layer": one.layer, "op": one.call.op, "family": one.call.family, "calls": 0, "latency_ms": 0.0}
                | {"measured": time.measured, "flops": 0, "bytes": 0},
            )
            row["calls"] += 1
            row["flops"] += one.call.flops
            row["bytes"] += one.call.bytes
            row["latency_ms"] += composition.kernel_factor * time.time_us / 1e3
        rest = {"layer": "host", "family": "launch", "measured": False}
        between = {**rest, "op": "launch gaps", "calls": gaps, "latency_ms": composition.launch_ms * gaps}
        fixed = {**rest, "op": "fixed", "calls": 1, "latency_ms": composition.fixed_ms}
        return [*rows.values(), between, fixed]

    def least(self, space: SearchSpace, workload: Workload, quantity: str) -> float:
        """The least latency_ms, param_count or peak_memory_bytes predicted for any architecture of the space.

        Exact: sections add up independently of each other, so every layer takes its cheapest half.

        Raises:
            InputError: an unknown quantity, or see `predict`.
        """
        if quantity not in QUANTITIES:
            raise InputError(f"quantity: one of {', '.join(QUANTITIES)}; got {quantity!r}")
        if quantity != "latency_ms":
            return least_size(space, self.shape, workload, quantity, self._tracer)
        composition, table = self._composition(workload), self._table(workload)

        def latency_ms(setting: Setting, section: Section) -> tuple[float, float]:
            cost = table.cost(table.row(setting, lambda: section))
            kernels_ms = composition.kernel_factor * cost[KERNEL_US] / 1e3
            return kernels_ms + composition.launch_ms * cost[GAPS[composition.gap]], 0.0

        return composition.fixed_ms + least(space, self._tracer, workload, latency_ms)

    def _composition(self, workload: Workload) -> Composition:
        workload.check(self.shape)
        if workload.phase not in self.composition:
            known = ", ".join(sorted(self.composition)) or "nothing"
            raise InputError(f"phase: calibrated on this device is {known}; got {workload.phase!r}")
        return self.composition[workload.phase]

    def _table(self, workload: Workload) -> CostTable:
        if workload not in self._costs:
            self._costs[workload] = CostTable(self._kernels)
        return self._costs[workload]

    def _space_rows(self, space: SearchSpace, workload: Workload) -> SpaceRows:
        key = (space, workload)
        if key not in self._rows:
            self._rows[key] = SpaceRows(space)
        return self._rows[key]

    def _sections(self, architecture: Architecture, workload: Workload) -> list[int]:
        """The table rows of an architecture's sections."""
        table = self._table(workload)
        return [
            table.row(member.setting, partial(self._tracer.section, member.setting, member.block, workload))
            for member in members(architecture)
        ]


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
    tracer = tracer_for(shape, Runtime.of(profile.hardware))
    return Predictor(KernelModel(profile.measurements), composition, shape, tracer)
