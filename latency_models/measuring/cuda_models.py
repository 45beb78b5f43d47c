"""Whole models on CUDA: one forward pass or one decoding step, as a graph that is replayed or launched by the host.

A decoding step is captured at one position: positions are Python numbers here and so a constant of the graph, and the
state is written in place. What is in the L2 cache is what the run before left there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import torch

from ...errors import InputError
from ...search_space import Architecture
from ...supernet import Shape
from ..tracing.decode_state import cached_state, rewind
from ..workload import Workload
from .built_model import built_model
from .cuda_timing import CannotCapture, captured, eager_times_us, replay_times_us, require_cuda

RUNS = 20


def time_models(
    architectures: Sequence[Architecture],
    shape: Shape,
    workload: Workload,
    passes: int,
    seed: int = 0,
    mode: str = "graph",
    dtype: torch.dtype = torch.float32,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[list[list[float]]]:
    """Milliseconds of `RUNS` runs of each architecture, with random weights, in a new order in every pass.

    To be used in inference mode (see `pinned`). In `eager` mode every run begins with an idle host and device.

    Returns:
        One list per pass, in the order of `architectures`.

    Raises:
        InputError: no CUDA device, a workload that does not fit or cannot be timed here, or a model that no graph can
            hold.
    """
    workload.check(shape)
    if workload.phase == "train":
        raise InputError("phase: prefill or decode can be timed on cuda; got 'train'")
    require_cuda()
    rng, rounds = Random(seed), []
    for number in range(passes):
        order = list(range(len(architectures)))
        rng.shuffle(order)
        found: dict[int, list[float]] = {}
        for index in order:
            found[index] = _times_ms(model_run(architectures[index], shape, workload, dtype), mode)
            if on_progress:
                on_progress(number * len(order) + len(found), passes * len(order))
        rounds.append([found[index] for index in range(len(architectures))])
    return rounds


def model_run(
    architecture: Architecture, shape: Shape, workload: Workload, dtype: torch.dtype, device: str = "cuda"
) -> Callable[[], object]:
    """A function that runs the workload once on the model, whose parameters, buffers and state are of `dtype`."""
    model, inputs = built_model(architecture, shape, workload, device, dtype)
    if workload.phase == "prefill":
        return lambda: model(inputs)
    with torch.device(device):
        state = cached_state(model, workload.batch, workload.seq_len, inputs)

    def step() -> object:
        rewind(state, workload.seq_len)
        return model.step(inputs, state)

    return step


def _times_ms(run: Callable[[], object], mode: str) -> list[float]:
    if mode == "eager":
        return [time_us / 1e3 for time_us in eager_times_us(run, RUNS)]
    try:
        graph = captured(run)
    except CannotCapture as error:
        raise InputError(f"mode: no graph can hold this model, use eager ({error}); got 'graph'") from None
    return [time_us / 1e3 for time_us in replay_times_us(graph, replays=RUNS)]
