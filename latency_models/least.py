"""The least that any architecture of a space can cost: exact, because the halves of blocks add up independently."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..search_space import SearchSpace, Spec
from ..supernet import ModelShape
from .trace import Section, Tracer, space_sections
from .workload import Workload

Cost = Callable[[str, int, Spec | None, Section], tuple[float, float]]
Options = dict[tuple[int, str], list[tuple[float, float]]]

SIZES = ("param_count", "peak_memory_bytes")


def least_size(space: SearchSpace, shape: ModelShape, workload: Workload, quantity: str) -> float:
    """The least param_count or peak_memory_bytes of any architecture of the space; no device needs to be measured."""
    assert quantity in SIZES, f"quantity: one of {SIZES}; got {quantity!r}"

    def cost(slot: str, width: int, spec: Spec | None, section: Section) -> tuple[float, float]:
        if quantity == "param_count":
            return float(section.param_count), 0.0
        return float(section.fixed_bytes + section.held_bytes), float(section.peak_bytes)

    return least(space, space_sections(Tracer(shape), space, workload), cost)


def least(space: SearchSpace, sections: Iterable[tuple[int, str, Spec | None, Section]], cost: Cost) -> float:
    """The least sum of costs plus greatest peak over the space. `cost` gives both for a section."""
    options: Options = {}
    for width, slot, spec, section in sections:
        options.setdefault((width, slot), []).append(cost(slot, width, spec, section))
    return min(_of_width(options, width, min(space.depth)) for width in space.width)


def _of_width(options: Options, width: int, depth: int) -> float:
    """Under every limit on the peak, each layer takes its cheapest halves."""
    ends = [*options[(width, "embed")], *options[(width, "head")]]
    halves = [options[(width, "token_mixer")], options[(width, "channel_mixer")]]
    outer = sum(cost for cost, _ in ends)
    found = float("inf")
    for limit in sorted({peak for some in (ends, *halves) for _, peak in some}):
        if any(peak > limit for _, peak in ends) or any(min(peak for _, peak in half) > limit for half in halves):
            continue
        layer = sum(min(cost for cost, peak in half if peak <= limit) for half in halves)
        found = min(found, outer + depth * layer + limit)
    return found
