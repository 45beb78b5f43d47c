"""Residual and RMS norm, (rows, width)."""

from __future__ import annotations

import torch

from frontier.kernels.add_rms_norm import add_rms_norm, add_rms_norm_reference

from ..case import Case, Inputs, Size

# One entry, rows that share a tile, a tile left half empty, more tiles than programs, wide rows.
SIZES = ((1, 1), (5, 3), (70, 33), (900, 16), (3, 1000), (2, 16384), (2, 20001), (130, 100))


def inputs(size: Size, dtype: torch.dtype) -> Inputs:
    rows, width = size
    return [*torch.randn(2, rows, width).to(dtype), torch.randn(width).to(dtype)], []


def unweighted(size: Size, dtype: torch.dtype) -> Inputs:
    tensors, rest = inputs(size, dtype)
    return tensors[:2], rest


CASES = [
    Case(
        name=f"add_rms_norm{suffix}",
        ours=add_rms_norm,
        reference=add_rms_norm_reference,
        inputs=given,
        sizes=SIZES,
        bounds=((1, 90), (8, 300)),
    )
    for suffix, given in (("", inputs), ("-unweighted", unweighted))
]
