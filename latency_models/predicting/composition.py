"""How kernel times add up to a model's latency: fitted on whole models, per phase.

latency = kernel_factor * (sum of kernel times) + launch_ms * (gaps between kernels) + fixed_ms

`fixed_ms` may be negative: run again and again, the code of the first fifty or so launches stays in the processor's
caches, so a small model pays less for each than a large one does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...search_space import Architecture, SearchSpace
from ...supernet import Shape
from ..measuring.host_cost import host_costs
from ..measuring.whole_model import measure_models
from ..profile import DeviceProfile
from ..runtime import Runtime
from ..tracing.trace import Tracer, tracer_for
from ..workload import Workload
from .covering import covering
from .eager import calibrate_eager
from .fit import KernelModel

FACTOR_BOUNDS = (0.7, 1.6)
# How much less than nothing may be fixed, in parts of the fastest model's latency.
LEAST_FIXED = 0.6
LEAST_COUNT = 5
DRAWS_PER_MODEL = 100
PASSES = 2


@dataclass(frozen=True)
class Composition:
    """One phase's coefficients.

    `gap` says what there is a gap before: every operator dispatched (also those that only change a view), or, in a
    replayed graph, every kernel.

    `interval` is the relative error that 90 % of the calibration models stay within when each is left out of the fit;
    `mape` the mean of those errors. `digests` are the architectures used: validation refuses them.

    `eager` has the fields of `EagerComposition` where the device's models run as graphs and were timed without as well.
    """

    kernel_factor: float
    launch_ms: float
    fixed_ms: float
    interval: float
    mape: float
    seed: int
    space: str
    workloads: list[dict[str, Any]]
    digests: list[str]
    gap: str = "dispatch"
    eager: dict[str, Any] | None = None

    def latency_ms(self, kernel_ms: NDArray[np.float64], gaps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Milliseconds of whole models from their summed kernel milliseconds and their gaps."""
        return self.kernel_factor * kernel_ms + self.launch_ms * gaps + self.fixed_ms


# How kernels add up on a device of which no whole model was measured. Published kernels are timed in replayed graphs,
# the gap to the next one included, so they are summed; sums are reported 4 to 14 % short of whole decoding steps.
SUMMED = Composition(
    kernel_factor=1.0,
    launch_ms=0.0,
    fixed_ms=0.0,
    interval=0.15,
    mape=math.nan,
    seed=0,
    space="",
    workloads=[],
    digests=[],
)


def calibrate(
    profile: DeviceProfile,
    space: SearchSpace,
    shape: Shape,
    workloads: Sequence[Workload],
    seed: int,
    count: int,
) -> dict[str, Any]:
    """Measure `count` random architectures at every workload and fit how their kernels add up.

    They run as the profile's hardware says. Workloads of one phase share a fit.

    Returns:
        Plain JSON: phase -> the fields of `Composition`. Phases that are not calibrated now stay as in the profile.

    Raises:
        InputError: the profile has no measurements, the count is too small, or the space has fewer architectures.
    """
    if not profile.measurements:
        raise InputError(f"device {profile.name}: measure its kernels before calibrating; got no measurements")
    if count < LEAST_COUNT:
        raise InputError(f"count: at least {LEAST_COUNT} whole models to calibrate on; got {count}")
    architectures = draw(space, count, seed)
    runtime = Runtime.of(profile.hardware)
    kernels, tracer = KernelModel(profile.measurements), tracer_for(shape, runtime)
    composition = dict(profile.composition)
    for phase in sorted({workload.phase for workload in workloads}):
        used = [workload for workload in workloads if workload.phase == phase]
        rows: list[tuple[float, float]] = []
        measured: list[float] = []
        for workload in used:
            rounds = measure_models(architectures, shape, workload, runtime, PASSES, seed)
            measured += [min(one.latency_ms for one in models) for models in zip(*rounds, strict=True)]
            rows += [kernel_sum(tracer, kernels, architecture, workload, runtime.gap) for architecture in architectures]
        table, latency_ms = np.array(rows), np.array(measured)
        factor, launch_ms, fixed_ms = fit_composition(table, latency_ms)
        errors = left_out_errors(table, latency_ms)
        composition[phase] = asdict(
            Composition(
                kernel_factor=factor,
                launch_ms=launch_ms,
                fixed_ms=fixed_ms,
                interval=covering(errors),
                mape=float(np.mean(errors)),
                seed=seed,
                space=space.name,
                workloads=[workload.to_json() for workload in used],
                digests=[architecture.digest for architecture in architectures],
                gap=runtime.gap,
                eager=_eager(profile, architectures, tracer, kernels, used, seed),
            )
        )
    return composition


def _eager(
    profile: DeviceProfile,
    architectures: Sequence[Architecture],
    tracer: Tracer,
    kernels: KernelModel,
    workloads: Sequence[Workload],
    seed: int,
) -> dict[str, Any] | None:
    """How the same models run where no graph is used, on a device that runs them as graphs; None of any other."""
    runtime = Runtime.of(profile.hardware)
    if runtime.mode != "graph":
        return None
    costs = host_costs([one.call for one in profile.measurements], runtime.threads)
    traces, latency_us = [], []
    for workload in workloads:
        rounds = measure_models(architectures, tracer.shape, workload, replace(runtime, mode="eager"), PASSES, seed)
        latency_us += [1e3 * min(one.latency_ms for one in models) for models in zip(*rounds, strict=True)]
        traces += [tracer.calls(architecture, workload) for architecture in architectures]
    return asdict(calibrate_eager(traces, latency_us, kernels, costs))


def draw(space: SearchSpace, count: int, seed: int, leave_out: frozenset[str] = frozenset()) -> list[Architecture]:
    """Distinct random architectures, none of whose digests is in `leave_out`.

    Raises:
        InputError: the space has not that many.
    """
    rng, found = Random(seed), {}
    for _ in range(DRAWS_PER_MODEL * count):
        architecture = space.sample(rng)
        if architecture.digest not in leave_out:
            found[architecture.digest] = architecture
        if len(found) == count:
            return list(found.values())
    raise InputError(
        f"count: space {space.name} has not that many other architectures than the {len(leave_out)} used; got {count}"
    )


def kernel_sum(
    tracer: Tracer, kernels: KernelModel, architecture: Architecture, workload: Workload, gap: str
) -> tuple[float, float]:
    """Summed kernel milliseconds and the gaps of an architecture."""
    sections = [section for _, section in tracer.sections(architecture, workload)]
    kernels_us = sum(kernels.time(one.call).time_us for section in sections for one in section.calls)
    return kernels_us / 1e3, sum(section.gaps(gap) for section in sections)


def fit_composition(table: NDArray[np.float64], latency_ms: NDArray[np.float64]) -> tuple[float, float, float]:
    """Kernel factor, launch and fixed milliseconds of the least relative error, all within bounds.

    `table` has a row (kernel milliseconds, gaps) per model. The error is made robust by a few rounds of weights
    that turn squares into absolute values.
    """
    features = np.column_stack([table, np.ones(len(table))]) / latency_ms[:, None]
    weights = np.ones(len(table))
    best = np.array([1.0, 0.0, 0.0])
    least_fixed_ms = -LEAST_FIXED * float(latency_ms.min())
    for _ in range(8):
        best = _bounded_least_squares(features, weights, least_fixed_ms)
        weights = 1 / np.sqrt(np.maximum(np.abs(features @ best - 1), 0.01))
    factor, launch_ms, fixed_ms = (float(value) for value in best)
    return factor, launch_ms, fixed_ms


def _bounded_least_squares(
    features: NDArray[np.float64], weights: NDArray[np.float64], least_fixed_ms: float
) -> NDArray[np.float64]:
    """Fit features @ x = 1 within the bounds: solve for every choice of what sits on a bound, take the best one."""
    low, high = np.array([FACTOR_BOUNDS[0], 0.0, least_fixed_ms]), np.array([FACTOR_BOUNDS[1], np.inf, np.inf])
    candidates = []
    for bound in product((None, *FACTOR_BOUNDS), (None, 0.0), (None, least_fixed_ms)):
        solution = np.array([np.nan if value is None else value for value in bound])
        free = np.isnan(solution)
        solution[~free] = [value for value in bound if value is not None]
        if free.any():
            rest = 1 - features[:, ~free] @ solution[~free]
            solution[free] = np.linalg.lstsq(features[:, free] * weights[:, None], rest * weights, rcond=None)[0]
        if np.all((low <= solution) & (solution <= high)):
            candidates.append((float(np.sum((weights * (features @ solution - 1)) ** 2)), solution))
    return min(candidates, key=lambda candidate: candidate[0])[1]


def left_out_errors(table: NDArray[np.float64], latency_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The relative error at every model when it is left out of the fit."""
    errors = []
    for index in range(len(table)):
        others = np.arange(len(table)) != index
        factor, launch_ms, fixed_ms = fit_composition(table[others], latency_ms[others])
        predicted = factor * table[index, 0] + launch_ms * table[index, 1] + fixed_ms
        errors.append(abs(predicted / latency_ms[index] - 1))
    return np.array(errors)
