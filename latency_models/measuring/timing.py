"""Timing on a machine that others use too: pinned threads, no garbage collection, and only while nobody disturbs.

What disturbs a run (a neighbour on the same core, another guest of the host) comes and goes within a second or so and
makes everything slower by a third or more. So everything is timed in short visits spread over time, a fixed piece of
work, the sentinel, is timed between the visits, and a visit counts when the sentinel ran at its usual speed before and
after it.
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from random import Random
from time import perf_counter, thread_time
from typing import Generic, TypeVar

import torch
from torch import nn

from ...errors import InputError

DISTURBED = 0.08
LEAST_VISITS = 5
PATIENCE_SECONDS = 1.0
WINDOW = 100

Sample = TypeVar("Sample")


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Run with exactly `threads` intra-op threads, in inference mode and without garbage collection.

    Raises:
        InputError: fewer than one thread.
    """
    if threads < 1:
        raise InputError(f"threads: at least 1; got {threads}")
    before, collecting = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(threads)
    gc.collect()
    gc.disable()
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
        if collecting:
            gc.enable()


def own_clock() -> Callable[[], float]:
    """Seconds, for runs of more than a few microseconds.

    With one thread this is the time spent on the core: it equals wall-clock time, less what the operating system gave
    to other processes in between. With more threads, whose waiting for each other counts, it is wall-clock time.
    """
    return thread_time if torch.get_num_threads() == 1 else perf_counter


class Sentinel:
    """A fixed piece of work and its usual time on an undisturbed machine, as far as this process has seen one.

    A stack of small layers with 0.4 MB of weights, some 0.1 ms long: like a model it needs arithmetic, the shared cache
    and the interpreter, so what slows a model down slows it down too.
    """

    def __init__(self) -> None:
        layers = [nn.Sequential(nn.RMSNorm(128), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 128)) for _ in range(3)]
        self._work, self._input = nn.Sequential(*layers), torch.randn(8, 128)
        self._recent: list[float] = []
        self.usual_us = math.inf
        for _ in range(2 * WINDOW):
            self.time_us()

    def time_us(self) -> float:
        """Time one run. The usual time is what one run in ten reaches in the fastest window: a single best is luck."""
        clock = own_clock()
        for _ in range(2):
            # Whatever ran before has left the caches cold; that is not what is asked here.
            self._work(self._input)
        started = clock()
        self._work(self._input)
        time_us = (clock() - started) * 1e6
        self._recent.append(time_us)
        if len(self._recent) == WINDOW:
            self.usual_us = min(self.usual_us, statistics.quantiles(self._recent, n=10)[0])
            self._recent.clear()
        return time_us


@cache
def sentinel_for(threads: int) -> Sentinel:
    """The sentinel of this process, one per number of threads, so that kernels and models are held to one standard."""
    assert torch.get_num_threads() == threads, "ask for a sentinel while its threads are pinned"
    return Sentinel()


@dataclass
class Timed(Generic[Sample]):
    """The samples of one subject's visits, each with the time the sentinel took around it."""

    sentinel: Sentinel
    visits: list[tuple[float, Sequence[Sample]]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def slowdown(self) -> float:
        """How much slower than usual the machine was in the worst visit that counts."""
        return max(around_us for around_us, _ in self._counted) / self.sentinel.usual_us - 1

    @property
    def samples(self) -> list[Sample]:
        """The samples of the quiet visits, or of the few least disturbed ones where too few were quiet."""
        return [sample for _, samples in self._counted for sample in samples]

    @property
    def _counted(self) -> list[tuple[float, Sequence[Sample]]]:
        ordered = sorted(self.visits, key=lambda visit: visit[0])
        return ordered[: max(LEAST_VISITS, self._quiet)]

    @property
    def _quiet(self) -> int:
        limit_us = self.sentinel.usual_us * (1 + DISTURBED)
        return sum(around_us <= limit_us for around_us, _ in self.visits)

    def satisfied(self, wanted: int, patience: float = 1.0) -> bool:
        """Whether there are as many quiet visits as wanted, or enough to stop where more would take too long."""
        if self._quiet >= wanted:
            return True
        limit = PATIENCE_SECONDS * patience
        half_way = self.seconds >= limit / 2 and self._quiet >= LEAST_VISITS
        return half_way or (self.seconds >= limit and len(self.visits) >= LEAST_VISITS)


def take_turns(
    visits: Sequence[Callable[[], Sequence[Sample]]],
    wanted: int,
    rng: Random,
    sentinel: Sentinel,
    deadline: float = math.inf,
    patience: float = 1.0,
) -> list[Timed[Sample]]:
    """Visit everybody in rounds, in a new order each, until all had `wanted` quiet visits or patience is at its end.

    Patience ends after `PATIENCE_SECONDS` times `patience` of visits each, or half of that with a few quiet ones. At
    the `deadline` (of `perf_counter`) it stops once everybody has been visited `LEAST_VISITS` times.
    """
    timed: list[Timed[Sample]] = [Timed(sentinel) for _ in visits]
    waiting, rounds = list(range(len(visits))), 0
    while waiting and (rounds < LEAST_VISITS or perf_counter() < deadline):
        rounds += 1
        rng.shuffle(waiting)
        before_us = sentinel.time_us()
        for index in waiting:
            started = perf_counter()
            samples = visits[index]()
            timed[index].seconds += perf_counter() - started
            after_us = sentinel.time_us()
            timed[index].visits.append((max(before_us, after_us), samples))
            before_us = after_us
        waiting = [index for index in waiting if not timed[index].satisfied(wanted, patience)]
    return timed


def spread(values: Sequence[float]) -> float:
    """The interquartile range."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low
