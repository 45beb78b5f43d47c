"""The data-parallel workers of one training, as each of them sees the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def keep(tensors: list[Tensor]) -> None:
    """What a lone worker does where several average their tensors."""


@dataclass(frozen=True)
class Workers:
    """Which worker this is, of how many, and how they average tensors in place, each giving as many of the same sizes.

    All of them take the same steps, each on subnets and batches of its own.
    """

    rank: int = 0
    count: int = 1
    average: Callable[[list[Tensor]], None] = keep

    def mean(self, value: float) -> float:
        """The mean of what the workers have."""
        if self.count == 1:
            return value
        held = torch.tensor([value], dtype=torch.float64)
        self.average([held])
        return held.item()

    def touched(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Those that have a gradient at any worker. Where it is another's, this one's becomes zeros."""
        if self.count == 1:
            return [tensor for tensor in tensors if tensor.grad is not None]
        share = torch.tensor([float(tensor.grad is not None) for tensor in tensors])
        self.average([share])
        found = [tensor for tensor, at_workers in zip(tensors, share.tolist(), strict=True) if at_workers > 0]
        for tensor in found:
            if tensor.grad is None:
                tensor.grad = torch.zeros_like(tensor)
        return found


ALONE = Workers()
