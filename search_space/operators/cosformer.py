"""cosFormer attention: what may be chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from .spec import Spec


class CosFormer(Spec):
    """Linear attention over relu(q) and relu(k) whose weights fade as the cosine of the distance, and sum to one.

    Source: arXiv 2202.08791, with the context as the constant length, so that decoding is prefill.
    """

    media = ("text",)
    split_over_devices = ("num_heads",)
    kind: Literal["cosformer"] = "cosformer"
    num_heads: PositiveInt
    head_dim: PositiveInt
