"""Timing on a CUDA device: work is captured into a graph, which is replayed between two events.

A graph has no host in it, so what is timed are kernels and the gaps between them, even where a kernel is shorter than
its launch. A replay is made to last long against the resolution of events by holding the same launch many times.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch

from ...errors import InputError

# What a replay should last, so that its start and the resolution of events (0.5 us) are lost in it.
REPLAY_US = 250.0
MOST_LAUNCHES = 512
WARM_UP = 3
REPLAYS = 12
# Of the size of the cache, how much is read to push everything else out of it.
FLUSH = 2
SENTINEL_SIDE = 4096
SENTINEL_WARM_UP = 300


class CannotCapture(Exception):
    """Work that no CUDA graph can hold. The message is torch's."""


def require_cuda(device: str = "cuda") -> None:
    """Raises:
    InputError: torch sees no CUDA device.
    """
    if not torch.cuda.is_available():
        raise InputError(f"device: a CUDA device that torch {torch.__version__} can use is needed; got {device!r} here")


def launches_for(one_us: float) -> int:
    """How often a launch of this length is repeated in a graph, so that its replay lasts `REPLAY_US`."""
    return min(MOST_LAUNCHES, max(1, math.ceil(REPLAY_US / one_us)))


def copies_for(one_bytes: int, l2_bytes: int, launches: int) -> int:
    """How many copies of tensors a graph of `launches` goes through, so that a copy has left the cache when it is used
    again. Before a replay the cache is flushed, so there are never more than launches.
    """
    return min(launches, 1 + math.ceil(FLUSH * l2_bytes / one_bytes))


def l2_bytes() -> int:
    """The size of the L2 cache of the current device."""
    return int(torch.cuda.get_device_properties().L2_cache_size)


class Flush:
    """Pushes everything out of the L2 cache. It reads: lines that were written would have to be written back later."""

    def __init__(self) -> None:
        self._memory = torch.zeros(FLUSH * l2_bytes() // 4, device="cuda")

    def __call__(self) -> None:
        self._memory.sum()


def captured(work: Callable[[], object]) -> torch.cuda.CUDAGraph:
    """The graph of some work, which is run twice first: kernels are compiled and libraries make their plans then.

    Raises:
        CannotCapture: the work makes the host wait for the device ("called a synchronizing CUDA operation"), or does
            something else that is not permitted under capture. The former is found before a capture is begun, because
            one that fails leaves the allocator and the random generator of the device in a state of capture.
    """
    current, stream = torch.cuda.current_stream(), _side_stream()
    stream.wait_stream(current)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.stream(stream):
            work()
            with _waiting_forbidden():
                work()
        current.wait_stream(stream)
        # Libraries keep handles and workspaces per stream: those of this one are there by now.
        with torch.cuda.graph(graph, stream=stream):
            work()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        # A capture that fails leaves its stream the current one.
        torch.cuda.set_stream(current)
        torch.cuda.synchronize()
        raise CannotCapture(str(error).partition("\n")[0]) from error
    return graph


def replay_times_us(
    graph: torch.cuda.CUDAGraph, before: Callable[[], object] = lambda: None, replays: int = REPLAYS
) -> list[float]:
    """Microseconds of each of some replays, after a few that do not count; `before` is run before each, untimed.

    Nothing waits in between, so the device is busy while the next replay is handed to it.
    """
    spans = []
    for _ in range(WARM_UP + replays):
        before()
        start, end = _event(), _event()
        start.record()
        graph.replay()
        end.record()
        spans.append((start, end))
    torch.cuda.synchronize()
    return [start.elapsed_time(end) * 1e3 for start, end in spans[WARM_UP:]]


def eager_times_us(work: Callable[[], object], runs: int = REPLAYS) -> list[float]:
    """Microseconds of each of some runs without a graph, each begun with nothing left to do for host and device."""
    times_us = []
    for _ in range(WARM_UP + runs):
        torch.cuda.synchronize()
        start, end = _event(), _event()
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times_us.append(start.elapsed_time(end) * 1e3)
    return times_us[WARM_UP:]


class ClockSentinel:
    """A fixed matrix product, whose time follows the clocks of the device."""

    def __init__(self) -> None:
        left, right, self._out = (
            torch.randn(SENTINEL_SIDE, SENTINEL_SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(3)
        )
        self._operands = left, right
        self._graph = captured(lambda: torch.mm(*self._operands, out=self._out))
        for _ in range(SENTINEL_WARM_UP):
            # From idle the clocks take some time to rise.
            self._graph.replay()
        self.usual_us = math.inf
        self.time_us()

    def time_us(self) -> float:
        """Time it once more; `usual_us` is the least time seen."""
        time_us = statistics.median(replay_times_us(self._graph))
        self.usual_us = min(self.usual_us, time_us)
        return time_us


@cache
def clock_sentinel() -> ClockSentinel:
    """The sentinel of this process."""
    return ClockSentinel()


@cache
def _side_stream() -> torch.cuda.Stream:
    return torch.cuda.Stream()


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)


@contextmanager
def _waiting_forbidden() -> Iterator[None]:
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
