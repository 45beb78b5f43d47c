"""Mixture of experts: what may be chosen and what is legal."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import NonNegativeInt, PositiveInt, model_validator

from .spec import Spec


class MoE(Spec):
    """Mixture of SwiGLU experts: a router sends every token through `top_k` of `num_experts`; none is dropped.

    Every expert has `inner` channels; one more of `shared_inner` channels serves every token (none at 0). The weights
    of the chosen experts add up to 1. With `top_k` 1 the weight is the softmax over all experts as it is: a weight that
    is always 1 would leave the router without a gradient.

    Source: arXiv 1701.06538, one expert per token arXiv 2101.03961, shared experts arXiv 2401.06066.
    """

    split_over_devices = ("inner", "shared_inner")
    kind: Literal["moe"] = "moe"
    num_experts: PositiveInt
    top_k: PositiveInt
    inner: PositiveInt
    shared_inner: NonNegativeInt = 0

    @model_validator(mode="after")
    def _experts_enough(self) -> Self:
        if self.top_k > self.num_experts:
            raise ValueError(f"top_k must be at most num_experts; got {self.top_k} and {self.num_experts}")
        return self
