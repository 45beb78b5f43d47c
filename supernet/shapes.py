"""What a task adds to an architecture: the sizes of its inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..errors import InputError
from ..search_space import SearchSpace


@dataclass(frozen=True)
class ModelShape:
    """Text: how many tokens there are to tell apart, and how many fit at once."""

    vocab_size: int
    context: int
    phases: ClassVar[tuple[str, ...]] = ("prefill", "decode")

    def most_tokens(self, phase: str) -> int:
        """How many tokens can be read at once (prefill) or be cached while there is room for one more (decode)."""
        return self.context if phase == "prefill" else self.context - 1

    def example(self, batch: int, tokens: int | None) -> Tensor:
        """Token ids (batch, tokens), or (batch,) for one decoding step."""
        return torch.zeros((batch,) if tokens is None else (batch, tokens), dtype=torch.int64)


@dataclass(frozen=True)
class ImageShape:
    """Square images and the classes they fall into; the stem makes one place of every `patch` x `patch` pixels."""

    channels: int
    side: int
    num_classes: int
    patch: int = 1
    context: ClassVar[None] = None  # blocks for images are built without one
    phases: ClassVar[tuple[str, ...]] = ("prefill",)

    @property
    def grid(self) -> int:
        """How many places a side has behind the stem."""
        return -(-self.side // self.patch)

    def grid_of(self, stage: int) -> int:
        """How many places a side has in a stage: half as many as in the one before, an odd one more."""
        return -(-self.grid // 2**stage)

    @property
    def stem_kernel(self) -> int:
        """The side of the stem's filter: odd, and wide enough for neighbours to overlap."""
        return max(3, 2 * self.patch - 1)

    def most_tokens(self, phase: str) -> int:
        """How many places the stem makes of an image."""
        return self.grid**2

    def example(self, batch: int, tokens: int | None) -> Tensor:
        """Images (batch, channels, side, side). An image is read whole, whatever `tokens` says."""
        return torch.zeros(batch, self.channels, self.side, self.side)


Shape = ModelShape | ImageShape


def check_fits(space: SearchSpace, shape: Shape) -> None:
    """Refuse a space whose models can't do the task.

    Raises:
        InputError: text needs a space without stages, images one with; a kernel is longer than what it is laid over,
            or an image has no place left in the last stage.
    """
    images, stages = isinstance(shape, ImageShape), len(space.layout.stages)
    if space.layout.pyramid != images:
        wanted = "images need a space with stages" if images else "text needs a space without stages"
        raise InputError(f"space: {wanted}; got {space.name}, which has {'none' if images else stages}")
    if isinstance(shape, ImageShape) and shape.grid < 2 ** (stages - 1):
        raise InputError(
            f"space: every stage but the first halves the grid of {shape.grid} places a side, to one at least; "
            f"got {stages} stages"
        )
    most = shape.grid if isinstance(shape, ImageShape) else shape.context
    for index, choices in enumerate(space.token_mixers):
        for size in dict(choices.values).get("kernel_size", ()):
            if isinstance(size, int) and size > most:
                raise InputError(f"space: token_mixers.{index}.kernel_size: at most {most}, what it sees; got {size}")
