"""Attentive sampling, best up: random places go to the most promising of several subnets of one size.

Source: AttentiveNAS, arXiv 2011.09011, with parameters in place of FLOPs and the batch's own loss as the predictor.
"""

from __future__ import annotations

from ...search_space import Architecture
from .rule import Plan, Step, on_one_batch
from .strata import draw_in_stratum, stratum_of

CANDIDATES = 3


def attentive(step: Step, candidates: int = CANDIDATES) -> Plan:
    """The sandwich, each random subnet being the best of `candidates` in one stratum of parameter counts.

    A random subnet says which stratum and is the first candidate, so sizes are as frequent as among random subnets,
    and one candidate makes this the sandwich.
    """
    largest, smallest = step.space.largest(step.rng_of_all), step.space.smallest(step.rng_of_all)
    others = (_best(step, candidates) for _ in range(step.random_subnets))
    return on_one_batch((largest, smallest, *others), first_teaches=True)


def _best(step: Step, candidates: int) -> Architecture:
    first = step.space.sample(step.rng)
    if candidates == 1:
        return first
    stratum = stratum_of(step.param_count(first), step.param_count)
    others = [draw_in_stratum(step, stratum) for _ in range(candidates - 1)]
    return min((first, *others), key=step.loss_of)
