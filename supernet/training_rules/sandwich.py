"""The sandwich rule with in-place distillation.  Source: arXiv 1903.05134."""

from __future__ import annotations

from .rule import Plan, Step, on_one_batch


def sandwich(step: Step) -> Plan:
    """The largest subnet, which teaches the others, the smallest, and `random_subnets` drawn uniformly.

    Largest and smallest are so in size; the kinds of operators that fill them are drawn anew each time, so that every
    kind is trained at its full size.
    """
    space = step.space
    largest, smallest = space.largest(step.rng_of_all), space.smallest(step.rng_of_all)
    others = (space.sample(step.rng) for _ in range(step.random_subnets))
    return on_one_batch((largest, smallest, *others), first_teaches=True)
