"""The launch parameters of a kernel of ours in each of its regimes."""

from __future__ import annotations

import torch
import triton

from ..tuning import Config, Tuning

# Up to so many tokens a product waits for its weights: small tiles, so that all of the device asks for them.
FEW_TOKENS = 64
# What a product takes at least of every axis.
LEAST_BLOCK = 16


class Regimes:
    """The configurations for few tokens, for many, and for float32, of which tiles have to be smaller."""

    def __init__(
        self,
        kernel: str,
        interpreted: Config,
        few: tuple[Config, ...],
        many: tuple[Config, ...],
        float32: tuple[Config, ...],
    ) -> None:
        self.few = Tuning(f"{kernel}_few", *few, interpreted=interpreted)
        self.many = Tuning(f"{kernel}_many", *many, interpreted=interpreted)
        self.float32 = Tuning(f"{kernel}_float32", *float32, interpreted=interpreted)

    def of(self, tokens: int, dtype: torch.dtype) -> Tuning:
        if dtype == torch.float32:
            return self.float32
        return self.few if tokens <= FEW_TOKENS else self.many


def group_block(size: int, block: int) -> int:
    """Of a block of columns, how many belong to one group of so many: all of them, or a power of two."""
    return min(block, triton.next_power_of_2(max(1, size)))
