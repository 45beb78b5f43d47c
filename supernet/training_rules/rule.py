"""What a training rule is: a function from one step of training to the subnets that this step visits.

A rule draws from `Step.rng` alone, and all else it may look at is the batch and the weights. So a step visits the same
subnets however often a run was interrupted before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from ...search_space import Architecture, SearchSpace


class ParamCount(Protocol):
    """Counts parameters exactly; `range` is that of the space's smallest and largest architectures."""

    @property
    def range(self) -> tuple[int, int]: ...

    def __call__(self, architecture: Architecture) -> int: ...


@dataclass(frozen=True)
class Step:
    """One update of the shared weights that is about to be taken.

    `random_subnets` is how many subnets are drawn beside the largest and the smallest; a rule that singles out neither
    draws two more. `loss_of` is a subnet's loss on this step's batch, taken without gradients.
    """

    space: SearchSpace
    rng: Random
    index: int
    total: int
    random_subnets: int
    param_count: ParamCount
    loss_of: Callable[[Architecture], float]


@dataclass(frozen=True)
class Plan:
    """The subnets of one update.

    With `first_teaches` the first one's predictions may enter the loss of the others. With `split_batch` subnet i of
    n trains on every n-th example from the i-th on, so that all of them cost as much as one; else each trains on the
    whole batch.
    """

    subnets: tuple[Architecture, ...]
    first_teaches: bool = False
    split_batch: bool = False


Rule = Callable[[Step], Plan]
