"""Pooling: what may be chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from .spec import Spec


class Pooling(Spec):
    """The mean of the last `window` tokens less the token itself. It has no weights.

    On images it is the mean over the square of `window` places a side around each place.

    Source: arXiv 2111.11418 (PoolFormer), for text made causal.
    """

    kind: Literal["pooling"] = "pooling"
    window: PositiveInt

    def check_grid(self) -> None:
        if self.window % 2 == 0:
            raise ValueError(f"window: odd on images, where it is centred; got {self.window}")
