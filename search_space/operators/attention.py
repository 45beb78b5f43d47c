"""Grouped-query attention: what may be chosen and what is legal."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from .spec import Spec


class Attention(Spec):
    """Causal softmax attention whose query heads share key/value heads, with rotary positions or none.

    `num_kv_heads == num_heads` is multi-head attention, `num_kv_heads == 1` multi-query attention. A `window` of w lets
    a token see itself and the w - 1 tokens before it; None lets it see all of them. With `qk_norm` every query and key
    passes an RMS norm of its head before it is turned; without `rotary` none is turned. On images every place sees
    every other, without window or rotation.

    Source: grouped queries arXiv 2305.13245, fewer query heads arXiv 2510.01817, rotary positions arXiv 2104.09864,
    sliding window arXiv 2004.05150, normed queries and keys arXiv 2010.04245, no positions arXiv 2305.19466.
    """

    split_over_devices = ("num_heads",)
    shared_over_devices = ("num_kv_heads",)
    kind: Literal["attention"] = "attention"
    num_heads: PositiveInt
    num_kv_heads: PositiveInt
    head_dim: Annotated[int, Field(gt=0, multiple_of=2)]
    window: PositiveInt | None = None
    qk_norm: bool = False
    rotary: bool = True

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_kv_heads must divide num_heads; got {self.num_kv_heads} and {self.num_heads}")
        return self

    def check_grid(self) -> None:
        if self.window is not None:
            raise ValueError(f"window: null on images, where every place sees every other; got {self.window}")
        if self.rotary:
            raise ValueError("rotary: false on images, whose stem embeds the places; got true")
