"""Peak memory of one phase as torch's own allocator sees it, the truth that `memory` is checked against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from ...search_space import Architecture
from ...supernet import Shape
from ..workload import Workload
from .whole_model import runner

MEASURED = "frontier.measured"
ALLOCATION = "[memory]"
WARM_UP = 2
SEED = 0


def measured_peak_bytes(architecture: Architecture, shape: Shape, workload: Workload, device: str = "cpu") -> int:
    """Build a model with random weights, run the phase, and give the most bytes alive in its last run.

    On the CPU the profiler's record of every allocation since before the model was built is added up; on CUDA the
    caching allocator says it, in blocks of 512 bytes, less what was there before.

    Raises:
        InputError: the workload does not fit the task.
    """
    workload.check(shape)
    meter = _cuda_peak if torch.device(device).type == "cuda" else cpu_peak_bytes
    with torch.inference_mode(), torch.random.fork_rng():
        # Which experts are busy, and so how much memory they take, depends on the weights.
        torch.manual_seed(SEED)
        return meter(lambda: runner(architecture, shape, workload, device))


def cpu_peak_bytes(prepare: Callable[[], Callable[[], Any]]) -> int:
    """The most bytes alive in the last of a few runs, of what is allocated from `prepare` on, which makes the run."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run = prepare()
        for _ in range(WARM_UP):
            run()
        with record_function(MEASURED):
            run()
    events = profiler.profiler.kineto_results.events()
    ((began, ended),) = [(event.start_ns(), event.end_ns()) for event in events if event.name() == MEASURED]
    alive = peak = 0
    for when, size in sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == ALLOCATION):
        alive += size
        if began <= when <= ended:
            peak = max(peak, alive)
    return peak


def _cuda_peak(prepare: Callable[[], Callable[[], Any]]) -> int:
    before = torch.cuda.memory_allocated()
    run = prepare()
    for _ in range(WARM_UP):
        run()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before
