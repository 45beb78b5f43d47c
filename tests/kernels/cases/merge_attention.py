"""Merging parts of a context, (units, parts, rows, head size)."""

from __future__ import annotations

import torch

from frontier.kernels.merge_attention import merge_attention, merge_attention_reference

from ..case import Case, Inputs, Size


def inputs(size: Size, dtype: torch.dtype) -> Inputs:
    """A third of the parts are of no keys, and what they hold is noise."""
    lse_UPR = 5 * torch.randn(size[:3])
    return [torch.randn(size).to(dtype)], [lse_UPR.masked_fill(torch.rand(size[:3]) < 0.33, -torch.inf)]


CASES = [
    Case(
        name="merge_attention",
        ours=merge_attention,
        reference=merge_attention_reference,
        inputs=inputs,
        # One part, none of any keys, more parts than a tile, a head size that is no power of two.
        sizes=((1, 1, 1, 16), (3, 2, 8, 64), (2, 40, 3, 80), (2, 17, 1, 128)),
        bounds=((1, 4), (1, 36), (1, 4), (8, 40)),
        backward=False,
    )
]
