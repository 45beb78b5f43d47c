"""One architecture's latency taken apart: by family, by what it is priced by, and over how many devices it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from ...search_space import Architecture
from ...supernet import Shape
from ..calls import KernelCall, dtype_name
from ..tracing.memory import peak_memory_bytes
from ..tracing.section import Section
from ..tracing.trace import Tracer
from ..workload import Workload
from .composition import Composition
from .eager import Bound, Dispatched, EagerComposition
from .fit import KernelTime, KernelTimes
from .prediction import MEAN, NOTICEABLE, P95
from .tensor_parallel import Piece, elapsed, one_of, pieces


@dataclass(frozen=True)
class Part:
    """The kernels of one family (or one operator) that are priced the same way. `share` is of all device time."""

    name: str
    source: str
    calls: int
    latency_ms: float
    share: float


@dataclass(frozen=True)
class LatencyReport:
    """What one of `devices` does in one workload.

    `low_ms` to `high_ms` covers about 90 % of such architectures, `mean_ms` and `p95_ms` allow for uneven loads (see
    `Prediction`). `extrapolated_share` is the part of the time in kernels outside of what was measured, `extrapolates`
    that it is noticeable, `exposed_share` the part that waits for other devices. `parts` are families by their time;
    collectives count whole, hidden or not. `by_bytes` are the operators that nothing was measured of: they are priced
    by what they move and compute. Parameters, memory and state are those of one device.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    mean_ms: float
    p95_ms: float
    measured_share: float
    extrapolated_share: float
    extrapolates: bool
    exposed_share: float
    devices: int
    param_count: int
    peak_memory_bytes: int
    state_bytes: int
    parts: tuple[Part, ...]
    by_bytes: tuple[Part, ...]


@dataclass(frozen=True)
class Pricing:
    """What prices are made from: kernel times, how they add up, and what kind of numbers a model computes with.

    `compiled` prices what a compiler makes of a trace (see `fusion`). `device` is whose dispatch chooses the kernels;
    published tables are asked in the words of the CPU's. With `eager` the host launches every operator, and that
    composition takes the place of the other.
    """

    kernels: KernelTimes
    composition: Composition
    dtype: torch.dtype = torch.float32
    compiled: bool = False
    device: str = "cpu"
    eager: EagerComposition | None = None


@dataclass(frozen=True)
class _Timed:
    """A call and what is known of its time."""

    call: KernelCall
    time: KernelTime

    @property
    def uneven_us(self) -> float:
        """How much longer it takes with an uneven load."""
        return 0.0 if self.time.skewed_us is None else self.time.skewed_us - self.time.time_us


@dataclass(frozen=True)
class _Run:
    """What one device runs, piece by piece."""

    pieces: list[Piece]
    sections: list[Section]
    pricing: Pricing

    def elapsed_ms(self, bound: Bound, exchanges: bool = True) -> float:
        """Milliseconds from beginning to end, if every kernel takes as long as that bound of its time says."""
        if self.pricing.eager is not None:
            return self.pricing.eager.latency_us(self._dispatched(bound)) / 1e3
        waits = [self._exchange_ms(piece, bound) if exchanges else 0.0 for piece in self.pieces]
        computes = [self._compute_ms(section, bound) for section in self.sections]
        return elapsed(computes, waits, [piece.hidden for piece in self.pieces]) + self.pricing.composition.fixed_ms

    def _dispatched(self, bound: Bound) -> Dispatched:
        assert self.pricing.eager is not None, "asked where the host launches operators"
        calls = [one for section in self.sections for one in section.calls]
        return Dispatched.of(calls, self.pricing.kernels, self.pricing.eager.costs, bound)

    def timed(self) -> list[_Timed]:
        """Every kernel, collectives among them."""
        inside = (one.call for section in self.sections for one in section.calls)
        between = (piece.exchange for piece in self.pieces if piece.exchange)
        calls = [*inside, *between]
        return [_Timed(call, time) for call, time in zip(calls, self.pricing.kernels.times(calls), strict=True)]

    def _compute_ms(self, section: Section, bound: Bound) -> float:
        composition = self.pricing.composition
        kernels_us = sum(getattr(self.pricing.kernels.time(one.call), bound) for one in section.calls)
        return composition.kernel_factor * kernels_us / 1e3 + composition.launch_ms * section.gaps(composition.gap)

    def _exchange_ms(self, piece: Piece, bound: Bound) -> float:
        return float(getattr(self.pricing.kernels.time(piece.exchange), bound)) / 1e3 if piece.exchange else 0.0


def report(
    architecture: Architecture, shape: Shape, workload: Workload, pricing: Pricing, devices: int = 1
) -> LatencyReport:
    """Price an architecture; `devices` of one kind share it (tensor parallelism).

    Raises:
        InputError: the workload does not fit the shape, or the model cannot be split over so many devices.
    """
    own, own_shape = one_of(architecture, shape, devices)
    tracer = Tracer(own_shape, pricing.device, pricing.dtype, pricing.compiled)
    row = pieces(own, own_shape, workload, devices, dtype_name(pricing.dtype), pricing.dtype.itemsize)
    sections = [tracer.section(piece.member.setting, piece.member.block, workload) for piece in row]
    run = _Run(row, sections, pricing)
    timed, latency_ms = run.timed(), run.elapsed_ms("time_us")
    kernel_factor = 1.0 if pricing.eager else pricing.composition.kernel_factor
    uneven_ms = kernel_factor * sum(one.uneven_us for one in timed) / 1e3
    outside = _share(timed, lambda one: one.time.extrapolates)
    return LatencyReport(
        latency_ms=latency_ms,
        low_ms=max(0.0, latency_ms * (1 - _reach(run, "low_us", latency_ms))),
        high_ms=latency_ms * (1 + _reach(run, "high_us", latency_ms)),
        mean_ms=latency_ms + MEAN * uneven_ms,
        p95_ms=latency_ms + P95 * uneven_ms,
        measured_share=_share(timed, lambda one: one.time.measured),
        extrapolated_share=outside,
        extrapolates=outside > NOTICEABLE,
        exposed_share=1 - run.elapsed_ms("time_us", exchanges=False) / latency_ms,
        devices=devices,
        param_count=sum(section.param_count for section in sections),
        peak_memory_bytes=peak_memory_bytes(sections),
        state_bytes=sum(section.state_bytes for section in sections),
        parts=_grouped(timed, lambda one: one.call.family),
        by_bytes=tuple(part for part in _grouped(timed, lambda one: one.call.op) if part.source == "bytes"),
    )


def _reach(run: _Run, bound: Bound, latency_ms: float) -> float:
    """How far the interval goes to one side: kernels err together, how they add up errs by itself."""
    composition = run.pricing.eager or run.pricing.composition
    return math.hypot(composition.interval, run.elapsed_ms(bound) / latency_ms - 1)


def _share(timed: Iterable[_Timed], of: Callable[[_Timed], bool]) -> float:
    timed = list(timed)
    return sum(one.time.time_us for one in timed if of(one)) / sum(one.time.time_us for one in timed)


def _grouped(timed: list[_Timed], name: Callable[[_Timed], str]) -> tuple[Part, ...]:
    """Parts by name and source, the longest first."""
    groups: dict[tuple[str, str], list[float]] = {}
    for one in timed:
        groups.setdefault((name(one), one.time.source), []).append(one.time.time_us)
    total_us = sum(one.time.time_us for one in timed)
    parts = [
        Part(named, source, len(times), sum(times) / 1e3, sum(times) / total_us)
        for (named, source), times in groups.items()
    ]
    return tuple(sorted(parts, key=lambda part: -part.latency_ms))
