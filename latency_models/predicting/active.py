"""Which of a space's kernel calls to measure next, and when another measurement would not tell more.

A call is worth measuring by how unsure its predicted time is, times how often a random architecture launches it: that
is its part of the error of a latency. Calls are measured in batches of the most worth, and the regression is fitted
anew after each.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

from ..calls import KernelCall
from ..measuring.measure import GROUP, measure
from ..measuring.measurement import Campaign, Measurement
from ..runtime import Runtime
from .fit import LEAST_IN_FAMILY, KernelModel

Uses = Mapping[KernelCall, float]

# A part this small of a repeat's scatter is lost in it: errors that are independent add in squares.
SETTLED = 0.25
# What a repeat scatters by where the measurements cannot tell.
LEAST_SCATTER = 0.01


@dataclass(frozen=True)
class Doubt:
    """How much of a random architecture's kernel time rests on calls that were not measured.

    `by_call` are microseconds of error that each of them may add, `share` their sum over the whole kernel time: errors
    of one regression go together, so they are not taken to cancel out.
    """

    by_call: dict[KernelCall, float]
    share: float

    @classmethod
    def of(cls, uses: Uses, kernels: KernelModel) -> Doubt:
        """Doubt about the calls of a space, by what a model of its kernels says of their intervals."""
        times = {call: kernels.time(call) for call in uses}
        by_call = {
            call: uses[call] * (time.high_us - time.low_us) / 2 for call, time in times.items() if not time.measured
        }
        total_us = sum(uses[call] * time.time_us for call, time in times.items())
        return cls(by_call, sum(by_call.values()) / total_us)


def measure_space(
    uses: Uses,
    runtime: Runtime,
    known: Mapping[str, Measurement] | None = None,
    budget_seconds: float | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_measured: Callable[[Measurement], None] | None = None,
    seed: int = 0,
    settled: float = SETTLED,
) -> Campaign:
    """Measure what a space launches until the rest is predicted well enough, or `budget_seconds` are used up.

    Args:
        uses: how many times a random architecture launches each call (see `space_calls`).
        known: measurements that are there already, by the key of their call.
        on_progress: gets the number of calls measured and that of all calls.
        settled: stop when what is not measured can add no more than this part of a repeated measurement's scatter.

    Returns:
        The measurements of the space's calls, the known ones among them; `remaining` says how many calls have none,
        `settled` whether that is because they are known well enough.

    Raises:
        InputError: a device that is not there.
    """
    found = {call.key: known[call.key] for call in uses if known and call.key in known}
    started, drift, is_settled = perf_counter(), 0.0, True

    def keep(measurement: Measurement) -> None:
        found[measurement.call.key] = measurement
        if on_measured:
            on_measured(measurement)

    while batch := _next_batch(uses, found, settled):
        left = None if budget_seconds is None else budget_seconds - (perf_counter() - started)
        round_of = measure(batch, runtime, {}, left, None, keep, seed=seed + len(found))
        drift = max(drift, round_of.drift)
        if on_progress:
            on_progress(len(found), len(uses))
        if round_of.remaining:
            is_settled = False
            break
    campaign = Campaign(found[call.key] for call in uses if call.key in found)
    campaign.remaining, campaign.drift, campaign.settled = len(uses) - len(campaign), drift, is_settled
    return campaign


def _next_batch(uses: Uses, found: Mapping[str, Measurement], settled: float) -> list[KernelCall]:
    """The calls to measure next; none when the rest is settled."""
    missing = [call for call in uses if call.key not in found]
    first = _first_of_families(uses, missing, found)
    if first or not missing:
        return first
    doubt = Doubt.of(uses, KernelModel(found.values()))
    if doubt.share <= settled * scatter(list(found.values())):
        return []
    return sorted(doubt.by_call, key=lambda call: (-doubt.by_call[call], call.key))[:GROUP]


def _first_of_families(uses: Uses, missing: list[KernelCall], found: Mapping[str, Measurement]) -> list[KernelCall]:
    """The most used calls of every family that has too few measurements for a regression of its own."""
    batch = []
    for family in sorted({call.family for call in missing}):
        measured = sum(measurement.call.family == family for measurement in found.values())
        members = sorted((call for call in missing if call.family == family), key=lambda call: (-uses[call], call.key))
        batch += members[: max(0, LEAST_IN_FAMILY - measured)]
    return sorted(batch, key=lambda call: (-uses[call], call.key))


def scatter(measurements: list[Measurement]) -> float:
    """The relative interquartile range of a typical call's single runs, which a model's latency repeats within."""
    ranges = [measurement.spread_us / measurement.median_us for measurement in measurements]
    return max(LEAST_SCATTER, statistics.median(ranges))
