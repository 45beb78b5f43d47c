"""Stratified sampling: every size of model is trained equally often, however rare it is among random subnets."""

from __future__ import annotations

from .rule import Plan, Step, on_one_batch
from .strata import STRATA, draw_in_stratum


def stratified(step: Step) -> Plan:
    """`random_subnets` + 2 subnets on hard labels, one per stratum of parameter counts, the strata taken in turn.

    The subnets of one update lie as far apart as their number allows, those of all workers and those of each.
    """
    count = step.random_subnets + 2
    places = range(step.rank, count * step.workers, step.workers)
    strata = [(step.index + place * STRATA // len(places) // step.workers) % STRATA for place in places]
    return on_one_batch(draw_in_stratum(step, stratum) for stratum in strata)
