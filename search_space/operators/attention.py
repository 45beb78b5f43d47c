"""Grouped-query attention: what may be chosen and what is legal."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from .spec import Spec


class Attention(Spec):
    """Causal softmax attention whose query heads share key/value heads, with rotary positions.

    `num_kv_heads == num_heads` is multi-head attention, `num_kv_heads == 1` multi-query attention. A `window` of w lets
    a token see itself and the w - 1 tokens before it; None lets it see all of them.

    Source: grouped queries arXiv 2305.13245, rotary positions arXiv 2104.09864, sliding window arXiv 2004.05150.
    """

    kind: Literal["attention"] = "attention"
    num_heads: PositiveInt
    num_kv_heads: PositiveInt
    head_dim: Annotated[int, Field(gt=0, multiple_of=2)]
    window: PositiveInt | None = None

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_kv_heads must divide num_heads; got {self.num_kv_heads} and {self.num_heads}")
        return self
