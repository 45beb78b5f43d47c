"""Gated linear attention: what may be chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from .spec import Spec


class GatedLinearAttention(Spec):
    """Linear attention that forgets: one decay per head and token, a norm per head and an output gate.

    Source: arXiv 2312.06635 (gated linear attention), with one decay per head as in arXiv 2307.08621 (RetNet) and
    arXiv 2405.21060 (Mamba-2).
    """

    media = ("text",)
    split_over_devices = ("num_heads",)
    kind: Literal["gated_linear"] = "gated_linear"
    num_heads: PositiveInt
    head_dim: PositiveInt
