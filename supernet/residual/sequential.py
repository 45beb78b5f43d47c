"""The ordinary residual stream: every half reads what all before it have added."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


class Sequential:
    """x <- x + half(x), one half after the other.  Source: arXiv 1512.03385, pre-norm arXiv 2002.04745."""

    @staticmethod
    def enter(x: Tensor) -> Tensor:
        return x

    @staticmethod
    def join(x: Tensor, halves: list[Callable[[Tensor], Tensor]]) -> Tensor:
        for half in halves:
            x = x + half(x)
        return x

    @staticmethod
    def leave(x: Tensor) -> Tensor:
        return x
