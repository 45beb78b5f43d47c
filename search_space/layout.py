"""How many blocks a space has room for, where each stands, and what its named parameters are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product


@dataclass(frozen=True)
class StageChoices:
    """The widths and depths one stage may have."""

    width: tuple[int, ...]
    depth: tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """One block's place: its stage, its index there, and its slot among all blocks of the deepest architecture."""

    stage: int
    index: int
    slot: int
    prefix: str


@dataclass(frozen=True)
class Layout:
    """One stage for text, several for an image pyramid.

    Blocks of a stage keep their slot whatever the depths of other stages are, so that subnets share them.
    """

    stages: tuple[StageChoices, ...]
    pyramid: bool

    def prefix(self, stage: int) -> str:
        """What the names of a stage's parameters begin with."""
        return f"stages.{stage}." if self.pyramid else ""

    def places(self, depths: tuple[int, ...]) -> Iterator[Place]:
        """The places of an architecture's blocks, in their order."""
        for stage, depth in enumerate(depths):
            for index in range(depth):
                yield Place(stage, index, self._first_slots[stage] + index, f"{self.prefix(stage)}blocks.{index}")

    @cached_property
    def deepest(self) -> tuple[Place, ...]:
        """The places of the deepest architecture: every slot."""
        return tuple(self.places(tuple(max(stage.depth) for stage in self.stages)))

    def all_depths(self) -> Iterator[tuple[int, ...]]:
        """Every combination of the stages' depths."""
        return product(*(stage.depth for stage in self.stages))

    def all_widths(self) -> Iterator[tuple[int, ...]]:
        """Every combination of the stages' widths."""
        return product(*(stage.width for stage in self.stages))

    @cached_property
    def least_depth(self) -> int:
        return sum(min(stage.depth) for stage in self.stages)

    @cached_property
    def _first_slots(self) -> tuple[int, ...]:
        deepest = [max(stage.depth) for stage in self.stages]
        return tuple(sum(deepest[:stage]) for stage in range(len(deepest)))
