"""Whole models on this machine: the truth that predictions are calibrated on and validated against."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import perf_counter
from typing import Any

import torch

from ..search_space import Architecture
from ..supernet import Shape, build_model
from .decode_state import cached_state, rewind
from .timing import own_clock, pinned, sentinel_for, spread, take_turns
from .workload import Workload

WARM_UP = 3
VISIT_SECONDS = 0.001
QUIET_VISITS = 24
GROUP = 8


@dataclass(frozen=True)
class Measured:
    """Latency of a whole model in milliseconds: median and interquartile range over the `count` runs
    made while the machine ran at its usual speed (see `timing`).

    With one thread it is that thread's time on its core, which leaves out what other processes took; with more it is
    wall-clock time.
    """

    latency_ms: float
    spread_ms: float
    count: int


def measure_model(
    architecture: Architecture, shape: Shape, workload: Workload, threads: int, device: str = "cpu"
) -> Measured:
    """Build an architecture with random weights and time one forward pass or one decoding step of it.

    Raises:
        InputError: the workload does not fit the context, or fewer than one thread.
    """
    return measure_models([architecture], shape, workload, threads, passes=1, device=device)[0][0]


def measure_models(
    architectures: Sequence[Architecture],
    shape: Shape,
    workload: Workload,
    threads: int,
    passes: int,
    seed: int = 0,
    device: str = "cpu",
    on_progress: Callable[[int, int], None] | None = None,
) -> list[list[Measured]]:
    """Time several architectures `passes` times over, in turns and in a new order each time.

    Returns:
        One list per pass, in the order of `architectures`.
    """
    workload.check(shape)
    rng, rounds = Random(seed), []
    total = passes * len(architectures)
    with pinned(threads):
        sentinel = sentinel_for(threads)
        for number in range(passes):
            order = list(range(len(architectures)))
            rng.shuffle(order)
            measured: dict[int, Measured] = {}
            for start in range(0, len(order), GROUP):
                group = order[start : start + GROUP]
                visits = [_visit(architectures[index], shape, workload, device) for index in group]
                for index, timed in zip(group, take_turns(visits, QUIET_VISITS, rng, sentinel), strict=True):
                    times = timed.samples
                    measured[index] = Measured(statistics.median(times), spread(times), len(times))
                if on_progress:
                    on_progress(number * len(order) + len(measured), total)
            rounds.append([measured[index] for index in range(len(architectures))])
    return rounds


def _visit(architecture: Architecture, shape: Shape, workload: Workload, device: str) -> Callable[[], list[float]]:
    """A function that runs the workload for at least a millisecond and returns the milliseconds of every run."""
    run = _runner(architecture, shape, workload, device)
    for _ in range(WARM_UP):
        run()

    def visit() -> list[float]:
        # The first run after another model has the caches against it, as no run in a row has.
        run()
        times: list[float] = []
        started = perf_counter()
        while not times or perf_counter() - started < VISIT_SECONDS:
            times.append(run())
        return times

    return visit


def _runner(architecture: Architecture, shape: Shape, workload: Workload, device: str) -> Callable[[], float]:
    """A function that runs the workload once and returns its milliseconds."""
    with torch.device(device):
        model: Any = build_model(architecture, shape).eval()
        ids = shape.example(workload.batch, workload.tokens)
        state: list[dict] = []
        if workload.phase == "decode":
            state = cached_state(model, workload.batch, workload.seq_len, ids)

    clock = own_clock()

    def prefill() -> float:
        started = clock()
        model(ids)
        return (clock() - started) * 1e3

    def decode() -> float:
        nonlocal state
        rewind(state, workload.seq_len)
        started = clock()
        _, state = model.step(ids, state)
        return (clock() - started) * 1e3

    return prefill if workload.phase == "prefill" else decode
