"""What was measured: one call, and a campaign of them."""

from __future__ import annotations

from dataclasses import dataclass

from ..calls import KernelCall

# The power law of loads that published tables of experts use for an uneven one: the r-th gets r ** -1.2.
SKEW = 1.2


@dataclass(frozen=True)
class Measurement:
    """How long one call takes, in microseconds: median and interquartile range over `count` runs.

    `timing` says how: by the `clock` on a CPU (see `measure`), by replaying a CUDA `graph`, or by CUDA `events` around
    single launches where a graph cannot hold the call (see `cuda_calls`); then the host is in the time, and `note` is
    what torch has against a graph.

    On CUDA `median_us` is the time with weights and cached state in memory and everything else in the L2 cache as far
    as it fits, as in a model larger than that cache; `warm_us` is the time with everything in the cache as far as it
    fits. `skewed_us` is the time of a call whose tokens are sent to experts or groups as unevenly as `SKEW` says, None
    where nothing is sent; all other times are with a balanced load.

    `kernel_names` are the kernels the library chose, in the order of their launch; empty where nobody asked.
    """

    call: KernelCall
    median_us: float
    spread_us: float
    count: int
    timing: str = "clock"
    warm_us: float | None = None
    skewed_us: float | None = None
    kernel_names: tuple[str, ...] = ()
    note: str = ""


class Campaign(list[Measurement]):
    """The measurements asked for, as a list; `remaining` calls are not in it, because the time was up unless `settled`.

    `drift` is the greatest slowdown of the machine that had to be accepted because it never was quiet: at 0.3 some
    calls are as much as 30 % too slow. Up to 0.08 everything was measured on a quiet machine.
    """

    remaining: int = 0
    settled: bool = False
    drift: float = 0.0
