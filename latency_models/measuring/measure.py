"""Microbenchmarks: every recorded call replayed by itself on this machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from time import perf_counter

import torch

from ..calls import KernelCall
from ..runtime import Runtime
from .background import background, nothing
from .cuda_calls import measure_on_cuda
from .cuda_timing import require_cuda
from .measurement import SKEW, Campaign, Measurement
from .replay import Replay, is_routed, prepare
from .timing import Sentinel, pinned, sentinel_for, spread, take_turns
from .written import Written

CHUNK = 32
GROUP = 4 * CHUNK
LOOKS = 3
QUIET_PASSES = 30
WARM_UP = 5
# A chunk is worth waiting for longer than a model: every prediction rests on it.
PATIENCE = 3.0
LEAST_US = 0.05


def measure(
    calls: Sequence[KernelCall],
    runtime: Runtime,
    known: Mapping[str, Measurement] | None = None,
    budget_seconds: float | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_measured: Callable[[Measurement], None] | None = None,
    seed: int = 0,
) -> Campaign:
    """Measure calls, in the order given but shuffled within groups, until `budget_seconds` are used up.

    Calls whose key is in `known` are not measured again; their known measurement is in the result. `on_progress` gets
    the number done and the total, `on_measured` every new measurement when its group is done.

    On the CPU runs count only while the machine is at its usual speed (see `timing`), and are made between runs of
    other calls, as in a model (see `background`). What a replay costs on top of the kernel (the loop and the way from
    Python to an operator, as a call that computes nothing shows it) is taken off; what a launch costs inside a model is
    learned from whole models instead. For `cuda` see `cuda_calls`.

    Raises:
        InputError: a device that is not there.
    """
    if runtime.device == "cuda":
        require_cuda()
    known, rng = known or {}, Random(seed)
    deadline = math.inf if budget_seconds is None else perf_counter() + budget_seconds
    distinct = {call.key: call for call in calls}
    missing = [call for key, call in distinct.items() if key not in known]
    made: dict[str, Measurement] = {}
    drift = 0.0
    measure_group = measure_on_cuda if runtime.device == "cuda" else _measure_on_cpu
    with pinned(runtime.threads):
        for start in range(0, len(missing), GROUP):
            measured, slowdown = measure_group(missing[start : start + GROUP], rng, deadline)
            drift = max(drift, slowdown)
            for measurement in measured:
                made[measurement.call.key] = measurement
                if on_measured:
                    on_measured(measurement)
            if on_progress:
                on_progress(len(distinct) - len(missing) + len(made), len(distinct))
    done = {**known, **made}
    campaign = Campaign(done[key] for key in distinct if key in done)
    campaign.remaining, campaign.drift = len(distinct) - len(campaign), drift
    return campaign


def _measure_on_cpu(group: Sequence[KernelCall], rng: Random, deadline: float) -> tuple[list[Measurement], float]:
    """The measurements of a group, and the greatest slowdown of the machine that was accepted for any of them."""
    subjects = [_Subject(call, skew) for call in group for skew in ((0.0, SKEW) if is_routed(call) else (0.0,))]
    looks, slowdown = _look_at(subjects, rng, sentinel_for(torch.get_num_threads()), deadline)
    return [
        _summary(subject.call, samples, looks.get(replace(subject, skew=SKEW)))
        for subject, samples in looks.items()
        if not subject.skew
    ], slowdown


@dataclass(frozen=True)
class _Subject:
    """A call and how unevenly its tokens are sent."""

    call: KernelCall
    skew: float


def _look_at(
    group: Sequence[_Subject], rng: Random, sentinel: Sentinel, deadline: float
) -> tuple[dict[_Subject, list[list[float]]], float]:
    """Measure every subject `LOOKS` times, in fresh memory and other company each time, as far as the deadline allows.

    Where tensors happen to lie moves a small kernel by several percent; a median over looks does not depend on it.

    Returns:
        Per subject the microseconds of each look's runs, and the greatest slowdown of the machine that was accepted.
    """
    looks: dict[_Subject, list[list[float]]] = {}
    order, slowdown = list(group), 0.0
    for look in range(LOOKS):
        if look:
            # The first look keeps the order, for time may be up before it is through.
            rng.shuffle(order)
        for start in range(0, len(order), CHUNK):
            if perf_counter() >= deadline:
                return looks, slowdown
            chunk = order[start : start + CHUNK]
            samples, accepted = _time_chunk(chunk, rng, sentinel, deadline)
            slowdown = max(slowdown, accepted)
            for subject, times_us in zip(chunk, samples, strict=True):
                looks.setdefault(subject, []).append(times_us)
    return looks, slowdown


def _summary(
    call: KernelCall, looks: Sequence[Sequence[float]], skewed: Sequence[Sequence[float]] | None
) -> Measurement:
    times_us = [time_us for look in looks for time_us in look]
    skewed_us = _median_us(skewed) if skewed else None
    return Measurement(call, _median_us(looks), spread(times_us), len(times_us), skewed_us=skewed_us)


def _median_us(looks: Sequence[Sequence[float]]) -> float:
    return max(statistics.median(statistics.median(look) for look in looks), LEAST_US)


def _time_chunk(
    chunk: Sequence[_Subject], rng: Random, sentinel: Sentinel, deadline: float
) -> tuple[list[list[float]], float]:
    """The microseconds of every subject's runs, less what a replay costs, and the slowdown they were made under."""
    benches = [_Bench(replay) for replay in (nothing(), *(prepare(one.call, skew=one.skew) for one in chunk))]
    order = [*enumerate(benches), *((-1, _Bench(replay)) for replay in background())]

    def one_pass() -> list[tuple[int, float]]:
        rng.shuffle(order)
        return [(index, bench.once_us()) for index, bench in order]

    for _ in range(WARM_UP):
        one_pass()
    (timed,) = take_turns([one_pass], QUIET_PASSES, rng, sentinel, deadline, PATIENCE)
    times: dict[int, list[float]] = {index: [] for index in range(-1, len(benches))}
    for index, time_us in timed.samples:
        times[index].append(time_us)
    overhead_us = statistics.median(times[0])
    return [[time_us - overhead_us for time_us in times[index]] for index in range(1, len(benches))], timed.slowdown


class _Bench:
    """A replay that is run once at a time."""

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self.written = Written(replay)

    def once_us(self) -> float:
        op, args, kwargs = self.replay.op, self.replay.args, self.replay.kwargs
        started = perf_counter()
        op(*args, **kwargs)
        time_us = (perf_counter() - started) * 1e6
        self.written.restore()
        return time_us
