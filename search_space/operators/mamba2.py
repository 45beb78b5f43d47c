"""Mamba-2: what may be chosen and what is legal."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import PositiveInt, model_validator

from .spec import Spec


class Mamba2(Spec):
    """State space model with one decay per head: a (head_dim, state_dim) state per head, short convolutions before it.

    `num_groups` groups of heads share what is written to and read from the state (B and C of the paper).

    Source: arXiv 2405.21060.
    """

    media = ("text",)
    split_over_devices = ("num_heads",)
    shared_over_devices = ("num_groups",)
    kind: Literal["mamba2"] = "mamba2"
    num_heads: PositiveInt
    head_dim: PositiveInt
    state_dim: PositiveInt
    num_groups: PositiveInt = 1
    conv_size: PositiveInt = 4

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        if self.num_heads % self.num_groups:
            raise ValueError(f"num_groups must divide num_heads; got {self.num_groups} and {self.num_heads}")
        return self
