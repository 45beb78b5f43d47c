"""The ladder residual stream: a half does not wait for the one before it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


class Ladder:
    """Half m reads x_0 + y_1 + ... + y_(m-2), so it can run while y_(m-1) is still on its way.

    Between blocks flow the stream without the last output, and that output. Source: arXiv 2501.06589.
    """

    @staticmethod
    def enter(x: Tensor) -> tuple[Tensor, Tensor | None]:
        return x, None

    @staticmethod
    def join(
        stream: tuple[Tensor, Tensor | None], halves: list[Callable[[Tensor], Tensor]]
    ) -> tuple[Tensor, Tensor | None]:
        x, pending = stream
        for half in halves:
            y = half(x)
            x, pending = x if pending is None else x + pending, y
        return x, pending

    @staticmethod
    def leave(stream: tuple[Tensor, Tensor | None]) -> Tensor:
        x, pending = stream
        return x if pending is None else x + pending
