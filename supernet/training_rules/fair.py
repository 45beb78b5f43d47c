"""Strict fairness, as a Latin hypercube over the choices.  Source: FairNAS, arXiv 1907.01845, made elastic."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ...search_space.operators.choices import Value
from .rule import Plan, Step, on_one_batch


def fair(step: Step) -> Plan:
    """`random_subnets` + 2 subnets on hard labels, in which every option of a choice stands equally often.

    A choice that is asked m times with C options gives each of them floor(m / C) or ceil(m / C) times. Gradients add
    up to one update, so that no option is trained on weights that another has just moved. Several workers are dealt
    their subnets from the same decks, so that this holds of what all of them ask together.
    """
    deal, count = dealer(step.rng_of_all), step.random_subnets + 2
    dealt = [step.space.build(deal) for _ in range(count * (step.rank + 1))]
    return on_one_batch(dealt[-count:])


def dealer(rng: Random) -> Callable[[str, tuple[Value, ...]], Value]:
    """Answers each named choice from a shuffled deck of its options, a new deck when that one is used up."""
    decks: dict[tuple[str, tuple[Value, ...]], list[Value]] = {}

    def deal(name: str, options: tuple[Value, ...]) -> Value:
        deck = decks.setdefault((name, options), [])
        if not deck:
            deck.extend(rng.sample(options, len(options)))
        return deck.pop()

    return deal
