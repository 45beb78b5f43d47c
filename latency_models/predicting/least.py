"""The least that any architecture of a space can cost: exact, because sections add up independently of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate

from ...errors import InputError
from ...search_space import SearchSpace, Spec
from ...supernet import Shape
from ..tracing.section import Section
from ..tracing.sections import Option, Setting, options
from ..tracing.trace import Tracer
from ..workload import Workload

Cost = Callable[[Setting, Section], tuple[float, float]]
NEVER = float("inf")

SIZES = ("param_count", "peak_memory_bytes")


@dataclass(frozen=True)
class _Priced:
    """A section's cost, and the peak that it reaches while it runs."""

    setting: Setting
    cost: float
    peak: float


def least_size(
    space: SearchSpace, shape: Shape, workload: Workload, quantity: str, tracer: Tracer | None = None
) -> float:
    """The least param_count or peak_memory_bytes of any architecture of the space; no device needs to be measured.

    Memory is that of float32 on the CPU unless a `tracer` of the shape says otherwise.

    Raises:
        InputError: the memory of training, whose parts are alive at different times and do not add up.
    """
    assert quantity in SIZES, f"quantity: one of {SIZES}; got {quantity!r}"
    if workload.phase == "train" and quantity != "param_count":
        raise InputError(f"{quantity}: the least is known of prefill and decode; got {workload.phase}")

    def cost(setting: Setting, section: Section) -> tuple[float, float]:
        if quantity == "param_count":
            return float(section.param_count), 0.0
        return float(section.fixed_bytes + section.held_bytes), float(section.peak_bytes)

    return least(space, tracer or Tracer(shape), workload, cost)


def least(space: SearchSpace, tracer: Tracer, workload: Workload, cost: Cost) -> float:
    """The least sum of costs plus greatest peak over the space. `cost` gives both for a section."""

    def price(option: Option) -> _Priced:
        return _Priced(option.setting, *cost(option.setting, tracer.section(option.setting, option.block, workload)))

    priced = [price(option) for option in options(space)]
    return min(
        _least_under(space, [one for one in priced if one.peak <= limit], limit)
        for limit in sorted({one.peak for one in priced})
    )


def _least_under(space: SearchSpace, priced: list[_Priced], limit: float) -> float:
    """The least total, when no section's peak is above the limit, which is counted whole."""
    found = NEVER
    for residual in space.residual:
        for hidden in space.hidden_specs:
            usable = [one for one in priced if one.setting.spec is None or _stands(one.setting, residual, hidden)]
            layers = _cheapest_layers(space, usable)
            ends = {_end(one.setting): one.cost for one in usable if one.setting.spec is None}
            found = min(found, _least_layout(space, layers, ends) + limit)
    return found


def _stands(setting: Setting, residual: str, hidden: Spec) -> bool:
    return setting.residual == residual and setting.hidden == hidden


def _end(setting: Setting) -> tuple[str, int, int, int]:
    return setting.slot, setting.stage, setting.in_width, setting.width


def _cheapest_layers(space: SearchSpace, usable: list[_Priced]) -> dict[tuple[int, int, bool], float]:
    """The cheapest block by stage, width, and whether the pattern places its mixer there."""
    halves: dict[tuple[int, int, str], list[_Priced]] = {}
    for one in usable:
        if one.setting.spec is not None:
            halves.setdefault((one.setting.stage, one.setting.width, one.setting.slot), []).append(one)
    cheapest = {}
    for (stage, width, slot), token in halves.items():
        channel = halves.get((stage, width, "channel_mixer"), [])
        if slot == "token_mixer":
            for mark in (True, False):
                fitting = [one for one in token if _fits(space, one.setting.spec, mark)]
                cheapest[stage, width, mark] = _cheapest_pair(fitting, channel)
    return cheapest


def _fits(space: SearchSpace, spec: Spec | None, mark: bool) -> bool:
    return not mark if space.pattern is None else space.pattern.places(spec) == mark


def _cheapest_pair(token: Iterable[_Priced], channel: Iterable[_Priced]) -> float:
    """Both halves at their cheapest, but not none for both."""

    def best(priced: Iterable[_Priced], none: bool) -> float:
        return min((one.cost for one in priced if none or one.setting.spec.kind != "none"), default=NEVER)  # type: ignore[union-attr]

    token, channel = list(token), list(channel)
    return min(best(token, True) + best(channel, False), best(token, False) + best(channel, True))


def _least_layout(
    space: SearchSpace, layers: dict[tuple[int, int, bool], float], ends: dict[tuple[str, int, int, int], float]
) -> float:
    stages, found = space.layout.stages, NEVER
    for depths in space.layout.all_depths():
        starts = (0, *accumulate(depths))
        for marks in space.marks(sum(depths)):
            # The least cost up to and with this stage, by its width.
            so_far = {width: ends.get(("embed", 0, 0, width), NEVER) for width in stages[0].width}
            for stage, choices in enumerate(stages):
                if stage:
                    so_far = {
                        width: min(
                            so_far[before] + ends.get(("reduction", stage, before, width), NEVER) for before in so_far
                        )
                        for width in choices.width
                    }
                inside = marks[starts[stage] : starts[stage + 1]]
                for width in choices.width:
                    so_far[width] += sum(layers.get((stage, width, mark), NEVER) for mark in inside)
            head = {width: ends.get(("head", len(stages) - 1, 0, width), NEVER) for width in so_far}
            found = min(found, *(so_far[width] + head[width] for width in so_far))
    return found
