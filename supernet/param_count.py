"""Parameters of an architecture, counted exactly from modules that hold no memory, half a block at a time.

A space has few distinct halves and many combinations of them, so once the halves are counted a model costs a few sums.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from random import Random
from typing import Any

from torch import nn

from ..search_space import Architecture, Block, Nothing, SearchSpace, Spec
from ..search_space.operators.choices import Value
from .block import BlockModule
from .parts import build_ends
from .shapes import Shape
from .training_rules.strata import from_largest
from .weightless import without_memory

EXTREMES = 64


class ParamCounter:
    """Counts the parameters of a space's architectures, as `sum(p.numel())` over the standalone model would."""

    def __init__(self, space: SearchSpace, shape: Shape) -> None:
        self._space = space
        self._shape = shape
        self._half = lru_cache(None)(self._count_half)
        self._ends = lru_cache(None)(self._count_ends)

    def __call__(self, architecture: Architecture) -> int:
        how = (architecture.residual, architecture.hidden)
        widths, _ = self._space.sizes(architecture)
        return self._ends(widths) + sum(
            self._half("token_mixer", block.token_mixer, width, *how)
            + self._half("channel_mixer", block.channel_mixer, width, *how)
            for block, width in zip(architecture.blocks, architecture.widths, strict=True)
        )

    @cached_property
    def range(self) -> tuple[int, int]:
        """The fewest and the most parameters found among extreme architectures of many kinds of operators."""
        rng = Random(0)
        fewest = min(self(_extreme(self._space, rng, -1)) for _ in range(EXTREMES))
        return fewest, max(self(_extreme(self._space, rng, 0)) for _ in range(EXTREMES))

    def _count_half(self, slot: str, mixer: Spec, width: int, residual: str, hidden: Spec) -> int:
        if mixer == Nothing():
            return 0
        halves: dict[str, Any] = {"token_mixer": Nothing(), "channel_mixer": Nothing(), slot: mixer}
        block = Block.model_construct(**halves)
        with without_memory():
            return _size(BlockModule.build(block, width, self._shape.context, residual, hidden))

    def _count_ends(self, widths: tuple[int, ...]) -> int:
        with without_memory():
            return _size(build_ends(widths, self._shape))


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _extreme(space: SearchSpace, rng: Random, end: int) -> Architecture:
    """Every size at one end of its choices, from the largest (0) to the smallest (-1), all layers of the same kinds."""
    kinds: dict[str, Value] = {}

    def choose(name: str, options: tuple[Value, ...]) -> Value:
        ordered = from_largest(options)
        return ordered[end] if ordered else kinds.setdefault(name.rpartition(".")[2], rng.choice(options))

    return space.build(choose)
