"""What a training rule is: a function from one step of training to the subnets that this step visits.

A rule draws from the step's generators alone, and all else it may look at is the batch and the weights. So a step
visits the same subnets however often a run was interrupted before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from ...search_space import Architecture, SearchSpace

# Whoever draws batches numbers those of one update below this.
MOST_BATCHES = 16


class ParamCount(Protocol):
    """Counts parameters exactly; `range` is that of the space's smallest and largest architectures."""

    @property
    def range(self) -> tuple[int, int]: ...

    def __call__(self, architecture: Architecture) -> int: ...


@dataclass(frozen=True)
class Step:
    """One update of the shared weights that is about to be taken.

    `random_subnets` is how many subnets are drawn beside the largest and the smallest; a rule that singles out neither
    draws two more. `examples` is how many a batch has, `loss_of` a subnet's loss on the first batch, taken without
    gradients.

    Each of several data-parallel `workers` asks for subnets of its own: `rng` is this worker's, and `common_rng` gives
    the same to all where they are to agree. Without one, `rng` does.
    """

    space: SearchSpace
    rng: Random
    index: int
    total: int
    random_subnets: int
    examples: int
    param_count: ParamCount
    loss_of: Callable[[Architecture], float]
    rank: int = 0
    workers: int = 1
    common_rng: Random | None = None

    @property
    def rng_of_all(self) -> Random:
        return self.common_rng or self.rng


@dataclass(frozen=True)
class Group:
    """Subnets that share one batch: subnet i of n trains on every n-th example from the i-th on.

    So a group costs about what its largest subnet on the whole batch would. `batch` says which of the update's batches
    it is; groups of one number see the same examples.
    """

    subnets: tuple[Architecture, ...]
    batch: int = 0


@dataclass(frozen=True)
class Plan:
    """The subnets of one update, in groups whose losses weigh alike unless the trainer's options say otherwise.

    With `first_teaches` the first subnet's predictions may enter the loss of the others, so that every group is then
    one subnet on the one batch.
    """

    groups: tuple[Group, ...]
    first_teaches: bool = False

    def __post_init__(self) -> None:
        if self.first_teaches and any(len(group.subnets) > 1 or group.batch for group in self.groups):
            raise ValueError("a subnet teaches only those that see all of its examples")
        if self.batches > MOST_BATCHES:
            raise ValueError(f"an update needs at most {MOST_BATCHES} batches; got {self.batches}")

    @property
    def subnets(self) -> tuple[Architecture, ...]:
        return tuple(subnet for group in self.groups for subnet in group.subnets)

    @property
    def batches(self) -> int:
        """How many batches the update needs."""
        return 1 + max(group.batch for group in self.groups)


def on_one_batch(subnets: Iterable[Architecture], first_teaches: bool = False) -> Plan:
    """A plan in which every subnet trains on the whole of the same batch."""
    return Plan(tuple(Group((subnet,)) for subnet in subnets), first_teaches)


Rule = Callable[[Step], Plan]
