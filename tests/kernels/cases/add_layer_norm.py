"""Residual and layer norm, (rows, width)."""

from __future__ import annotations

import torch

from frontier.kernels.add_layer_norm import add_layer_norm, add_layer_norm_reference

from ..case import Case, Inputs, Size
from .add_rms_norm import SIZES


def inputs(size: Size, dtype: torch.dtype) -> Inputs:
    rows, width = size
    return [*torch.randn(2, rows, width).to(dtype), *torch.randn(2, width).to(dtype)], []


CASES = [
    Case(
        name="add_layer_norm",
        ours=add_layer_norm,
        reference=add_layer_norm_reference,
        inputs=inputs,
        # Of one or two entries less their mean there is nothing left to learn: their gradients are rounding alone.
        sizes=SIZES[1:],
        bounds=((1, 90), (8, 300)),
    )
]
