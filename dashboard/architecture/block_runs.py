"""Blocks that repeat, folded: a round of one or several blocks, and how often it comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...search_space import Block

# Hybrids repeat up to eight blocks at a time: one of attention among seven of something else.
LONGEST_ROUND = 8
SHOWN_PLACES = 3


@dataclass(frozen=True)
class Run:
    """Blocks that repeat: one round of them, the place of the first (from 0) and how many rounds there are."""

    blocks: tuple[Block, ...]
    first: int
    rounds: int

    @property
    def length(self) -> int:
        """How many blocks there are in all."""
        return self.rounds * len(self.blocks)

    @property
    def label(self) -> str:
        return f"block {self.first}" if self.length == 1 else f"blocks {self.first}–{self.first + self.length - 1}"

    def places(self, member: int) -> str:
        """Where the `member`-th block of a round stands: `blocks 1, 4, 7, …`."""
        every = [self.first + member + turn * len(self.blocks) for turn in range(self.rounds)]
        shown = ", ".join(str(place) for place in every[:SHOWN_PLACES])
        return f"blocks {shown}, …" if len(every) > SHOWN_PLACES else f"blocks {shown}"


def runs(blocks: Sequence[Block], first: int = 0) -> Iterator[Run]:
    """Fold blocks that repeat; `first` is the place of the first one. Where several rounds fit, the one that folds most
    blocks, and of those the shortest."""
    at = 0
    while at < len(blocks):
        lengths = range(1, min(LONGEST_ROUND, len(blocks) - at) + 1)
        found = [Run(tuple(blocks[at : at + length]), first + at, _rounds(blocks, at, length)) for length in lengths]
        repeated = [run for run in found if run.rounds > 1]
        best = max(repeated, key=lambda run: (run.length, -len(run.blocks)), default=found[0])
        yield best
        at += best.length


def _rounds(blocks: Sequence[Block], at: int, length: int) -> int:
    """How often the `length` blocks from `at` on come, one time after the other."""
    rounds = 1
    one = blocks[at : at + length]
    while blocks[at + rounds * length : at + (rounds + 1) * length] == one:
        rounds += 1
    return rounds
