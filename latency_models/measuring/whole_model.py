"""Whole models on this machine: the truth that predictions are calibrated on and validated against."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from ...search_space import Architecture
from ...supernet import Shape, build_model
from ..runtime import Runtime
from ..tracing.decode_state import cached_state, rewind
from ..tracing.training_step import training_steps
from ..workload import Workload
from .built_model import built_model
from .cuda_models import time_models
from .timing import own_clock, pinned, sentinel_for, spread, take_turns

WARM_UP = 3
VISIT_SECONDS = 0.001
QUIET_VISITS = 24
GROUP = 8


@dataclass(frozen=True)
class Measured:
    """Latency of a whole model in milliseconds: median and interquartile range over the `count` runs
    made while the machine ran at its usual speed (see `timing`).

    With one thread it is that thread's time on its core, which leaves out what other processes took; with more it is
    wall-clock time. On CUDA it is the device's time.
    """

    latency_ms: float
    spread_ms: float
    count: int


def measure_model(architecture: Architecture, shape: Shape, workload: Workload, runtime: Runtime) -> Measured:
    """Build an architecture with random weights and time one forward pass, decoding step or training step of it.

    Raises:
        InputError: see `measure_models`.
    """
    return measure_models([architecture], shape, workload, runtime, passes=1)[0][0]


def measure_models(
    architectures: Sequence[Architecture],
    shape: Shape,
    workload: Workload,
    runtime: Runtime,
    passes: int,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[list[Measured]]:
    """Time several architectures `passes` times over, in turns and in a new order each time.

    On `cuda` the device's clock times them (see `cuda_models`).

    Returns:
        One list per pass, in the order of `architectures`.

    Raises:
        InputError: the workload does not fit, the device is not there, or a model cannot be timed in that mode.
    """
    workload.check(shape)
    if runtime.device == "cuda":
        with pinned(runtime.threads):
            rounds_ms = time_models(
                architectures, shape, workload, passes, seed, runtime.mode, runtime.dtype, on_progress
            )
        return [[_measured(times_ms) for times_ms in models] for models in rounds_ms]
    rng, rounds = Random(seed), []
    total = passes * len(architectures)
    with pinned(runtime.threads):
        sentinel = sentinel_for(runtime.threads)
        for number in range(passes):
            order = list(range(len(architectures)))
            rng.shuffle(order)
            measured: dict[int, Measured] = {}
            for start in range(0, len(order), GROUP):
                group = order[start : start + GROUP]
                visits = [_visit(architectures[index], shape, workload) for index in group]
                for index, timed in zip(group, take_turns(visits, QUIET_VISITS, rng, sentinel), strict=True):
                    measured[index] = _measured(timed.samples)
                if on_progress:
                    on_progress(number * len(order) + len(measured), total)
            rounds.append([measured[index] for index in range(len(architectures))])
    return rounds


def _measured(times_ms: Sequence[float]) -> Measured:
    return Measured(statistics.median(times_ms), spread(times_ms), len(times_ms))


def _visit(architecture: Architecture, shape: Shape, workload: Workload) -> Callable[[], list[float]]:
    """A function that runs the workload for at least a millisecond and returns the milliseconds of every run."""
    run = runner(architecture, shape, workload)
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


def runner(architecture: Architecture, shape: Shape, workload: Workload, device: str = "cpu") -> Callable[[], float]:
    """A function that runs the workload once and returns its milliseconds."""
    if workload.phase == "train":
        return _training(architecture, shape, workload, device)
    model, inputs = built_model(architecture, shape, workload, device)
    if workload.phase == "prefill":
        return _timed(partial(model, inputs))
    with torch.device(device):
        return _decoding(model, workload, inputs)


def _training(architecture: Architecture, shape: Shape, workload: Workload, device: str) -> Callable[[], float]:
    # Inference is timed in inference mode, in which nothing can be trained.
    with torch.inference_mode(False), torch.device(device):
        run = _timed(partial(next, training_steps(build_model(architecture, shape).to(device), shape, workload)))
    return torch.inference_mode(False)(run)


def _decoding(model: Any, workload: Workload, ids_B: Tensor) -> Callable[[], float]:
    state = cached_state(model, workload.batch, workload.seq_len, ids_B)
    clock = own_clock()

    def decode() -> float:
        nonlocal state
        rewind(state, workload.seq_len)
        started = clock()
        _, state = model.step(ids_B, state)
        return (clock() - started) * 1e3

    return decode


def _timed(run: Callable[[], Any]) -> Callable[[], float]:
    clock = own_clock()

    def timed() -> float:
        started = clock()
        run()
        return (clock() - started) * 1e3

    return timed
