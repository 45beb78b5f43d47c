"""The kernels that a library chose for a call, by name.

An operator does not say what it runs: a matrix product may be any of hundreds of kernels of cuBLAS, attention one of
several implementations. Which one it was changes with versions, so a time without it cannot be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from ..calls import KernelCall
from .replay import prepare


def kernel_names(calls: Sequence[KernelCall], device: str = "cuda") -> dict[str, tuple[str, ...]]:
    """By the key of each call, the distinct kernels that one launch of it runs, in order.

    A CPU has no kernels of its own to name, so there they are none.
    """
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    with profile(activities=activities) as profiler:
        for call in calls:
            _launch(call, device)
    events = [event for event in profiler.events() or () if event.device_type == DeviceType.CPU]
    found = {event.name: tuple(dict.fromkeys(_kernels(event))) for event in events}
    return {call.key: found.get(call.key, ()) for call in calls}


def _launch(call: KernelCall, device: str) -> None:
    replay = prepare(call, device)
    # The first launch compiles kernels and makes plans, which may launch something of their own.
    replay.op(*replay.args, **replay.kwargs)
    with record_function(call.key):
        replay.op(*replay.args, **replay.kwargs)
        if device == "cuda":
            torch.cuda.synchronize()


def _kernels(event: Any) -> Iterator[str]:
    """The kernels launched by an event of the profiler and by those within it."""
    yield from (kernel.name for kernel in event.kernels)
    for child in event.cpu_children:
        yield from _kernels(child)
