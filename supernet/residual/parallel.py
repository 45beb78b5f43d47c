"""The parallel residual stream: both halves of a block read the same."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


class Parallel:
    """x <- x + token(x) + channel(x).  Source: arXiv 2204.02311, section 2."""

    @staticmethod
    def enter(x: Tensor) -> Tensor:
        return x

    @staticmethod
    def join(x: Tensor, halves: list[Callable[[Tensor], Tensor]]) -> Tensor:
        total = x
        for half in halves:
            total = total + half(x)
        return total

    @staticmethod
    def leave(x: Tensor) -> Tensor:
        return x
