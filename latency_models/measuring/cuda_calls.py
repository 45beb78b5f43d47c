"""Microbenchmarks on CUDA: every recorded call is captured into a graph by itself and replayed.

Two states of the L2 cache are timed. Cold: before each launch weights and cached state (see `cold_arguments`) are
memory the cache does not hold, by going through several copies of them; what else the call reads stays where it was.
Warm: everything is where the launch before left it. Predictions take the cold time, as in a model larger than the
cache, unless they are told that a model fits (see `in_cache`). Small models do: run again and again they never read
memory, and the cold time is too long for them.

A call is timed in a burst of some milliseconds. Under load that lasts for seconds clocks fall further, which a model
of large products meets and a burst does not; how far they fell around the bursts is the campaign's drift.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from time import perf_counter

from ..calls import KernelCall
from .cold_arguments import cold_arguments, cold_bytes, with_own_cold
from .cuda_timing import (
    CannotCapture,
    Flush,
    captured,
    clock_sentinel,
    copies_for,
    eager_times_us,
    l2_bytes,
    launches_for,
    replay_times_us,
)
from .launched_kernels import kernel_names
from .measurement import SKEW, Measurement
from .replay import Replay, is_routed, prepare
from .timing import spread
from .written import Written

CHUNK = 32
PILOT_LAUNCHES = 8
PILOT_REPLAYS = 3
LEAST_US = 0.05


def measure_on_cuda(group: Sequence[KernelCall], rng: Random, deadline: float) -> tuple[list[Measurement], float]:
    """Measure the calls of a group, as far as the deadline allows.

    Returns:
        The measurements, and the greatest slowdown of the clock sentinel around any of them.
    """
    sentinel, flush, slowdown = clock_sentinel(), Flush(), 0.0
    made: list[Measurement] = []
    # The profiler is kept out of the way of what is timed.
    names = kernel_names(group) if perf_counter() < deadline else {}
    before_us = sentinel.time_us()
    for start in range(0, len(group), CHUNK):
        if perf_counter() >= deadline:
            break
        chunk = list(group[start : start + CHUNK])
        rng.shuffle(chunk)
        made += [replace(_in_both_loads(call, flush), kernel_names=names[call.key]) for call in chunk]
        after_us = sentinel.time_us()
        slowdown = max(slowdown, max(before_us, after_us) / sentinel.usual_us - 1)
        before_us = after_us
    return made, slowdown


def _in_both_loads(call: KernelCall, flush: Callable[[], None]) -> Measurement:
    """Time one call; where it routes tokens, evenly and unevenly."""
    balanced = measure_call(call, flush)
    if not is_routed(call):
        return balanced
    return replace(balanced, skewed_us=measure_call(call, flush, SKEW).median_us)


def measure_call(call: KernelCall, flush: Callable[[], None], skew: float = 0.0) -> Measurement:
    """Time one call in both states of the cache; by events, the host in between, where it cannot be captured."""
    replay = prepare(call, "cuda", skew=skew)
    written = Written(replay)
    try:
        pilot = captured(_launched([replay], PILOT_LAUNCHES))
    except CannotCapture as error:
        times_us = eager_times_us(_launched([replay], 1))
        return _measurement(call, times_us, timing="events", note=str(error))
    pilot_us = statistics.median(replay_times_us(pilot, written.restore, PILOT_REPLAYS)) / PILOT_LAUNCHES
    launches = launches_for(max(pilot_us, LEAST_US))
    warm_us = _graph_times_us([replay], launches, written.restore)
    places = cold_arguments(call)
    one_bytes = cold_bytes(replay, places)
    if not one_bytes:
        return _measurement(call, warm_us, timing="graph", warm_us=_median(warm_us))
    copies = copies_for(one_bytes, l2_bytes(), launches)
    replays = [replay, *(with_own_cold(call, replay, places, seed) for seed in range(1, copies))]

    def before() -> None:
        written.restore()
        flush()

    return _measurement(call, _graph_times_us(replays, launches, before), timing="graph", warm_us=_median(warm_us))


def in_cache(measurements: Sequence[Measurement]) -> list[Measurement]:
    """The same measurements with the warm time in place of the cold one: for models that fit into the L2 cache."""
    return [replace(one, median_us=one.median_us if one.warm_us is None else one.warm_us) for one in measurements]


def _graph_times_us(replays: Sequence[Replay], launches: int, before: Callable[[], None]) -> list[float]:
    graph = captured(_launched(replays, launches))
    return [time_us / launches for time_us in replay_times_us(graph, before)]


def _launched(replays: Sequence[Replay], launches: int) -> Callable[[], None]:
    """A function that launches so often, taking the replays in turns."""

    def work() -> None:
        for number in range(launches):
            replay = replays[number % len(replays)]
            replay.op(*replay.args, **replay.kwargs)

    return work


def _median(times_us: Sequence[float]) -> float:
    return max(statistics.median(times_us), LEAST_US)


def _measurement(
    call: KernelCall, times_us: Sequence[float], timing: str, warm_us: float | None = None, note: str = ""
) -> Measurement:
    return Measurement(
        call, _median(times_us), spread(times_us), len(times_us), timing=timing, warm_us=warm_us, note=note
    )
