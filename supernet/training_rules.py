"""Which subnets one training step of the supernet visits.

Source: the sandwich rule, arXiv 1903.05134.
"""

from __future__ import annotations

from random import Random

from ..search_space import Architecture, SearchSpace


def sandwich(space: SearchSpace, rng: Random, random_subnets: int) -> list[Architecture]:
    """The largest subnet first, then the smallest, then `random_subnets` drawn uniformly.

    Largest and smallest are so in size; the kinds of operators that fill them are drawn anew each time, so that every
    kind is trained at its full size.
    """
    return [space.largest(rng), space.smallest(rng), *(space.sample(rng) for _ in range(random_subnets))]
