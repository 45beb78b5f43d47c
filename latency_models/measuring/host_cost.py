"""What it costs the host to hand one operator to a CUDA device, per family.

Where no graph is used, a model of small kernels takes as long as its host needs to dispatch them (see `eager`).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import torch

from ..calls import KernelCall
from .cuda_timing import require_cuda
from .replay import Replay, prepare
from .timing import pinned

# The family of operators that make views: they cost the host alone.
VIEW = "view"
PER_FAMILY = 4
# Few enough that the queue of launches never fills up, which would make the host wait for the device.
IN_QUEUE = 16
ROUNDS = 9
WARM_UP = 3


def host_costs(calls: Sequence[KernelCall], threads: int = 1) -> dict[str, float]:
    """Microseconds the host is busy with one dispatch: by family the median over its smallest calls, and of a view.

    What the device has to do does not matter to the host, so small calls tell it in the least time.

    Raises:
        InputError: there is no CUDA device, or fewer than one thread.
    """
    require_cuda()
    families: dict[str, list[KernelCall]] = {}
    for call in calls:
        families.setdefault(call.family, []).append(call)
    with pinned(threads):
        costs = {
            family: statistics.median(_host_us(prepare(call, "cuda")) for call in _smallest(members))
            for family, members in families.items()
        }
        costs[VIEW] = _host_us(Replay(torch.ops.aten.view.default, [torch.empty(6, 4, device="cuda"), [4, 6]], {}))
    return costs


def dispatch_us(families: Sequence[str], launches: Sequence[int], costs: Mapping[str, float]) -> list[float]:
    """Microseconds of host per kernel call: its own dispatch, and those of the views made before it.

    `launches` counts both (see `LayerCall`). A family that was not measured costs as much as the dearest one.
    """
    dearest = max(costs.values())
    return [
        costs.get(family, dearest) + (count - 1) * costs[VIEW] for family, count in zip(families, launches, strict=True)
    ]


def _smallest(calls: Sequence[KernelCall]) -> list[KernelCall]:
    return sorted(calls, key=lambda call: (call.flops + call.bytes, call.key))[:PER_FAMILY]


def _host_us(replay: Replay) -> float:
    def enqueue() -> None:
        for _ in range(IN_QUEUE):
            replay.op(*replay.args, **replay.kwargs)

    times_us = [_wall_us(enqueue) for _ in range(WARM_UP + ROUNDS)]
    return statistics.median(times_us[WARM_UP:]) / IN_QUEUE


def _wall_us(enqueue: Callable[[], None]) -> float:
    torch.cuda.synchronize()
    started = perf_counter()
    enqueue()
    return (perf_counter() - started) * 1e6
