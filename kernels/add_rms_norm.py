"""Residual and RMS norm: s = x + residual and s / sqrt(mean(s^2) + eps) * weight, over the last axis.

D width. Source: arXiv 1910.07467.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .launching import by_triton
from .residual_norm import by_rows, checked


def add_rms_norm_reference(
    x: Tensor, residual: Tensor, weight_D: Tensor | None = None, eps: float = 1e-6
) -> tuple[Tensor, Tensor]:
    """By the formula."""
    sum_ = x + residual
    normed = sum_ * (sum_.square().mean(dim=-1, keepdim=True) + eps).rsqrt()
    return normed if weight_D is None else normed * weight_D, sum_


def add_rms_norm(
    x: Tensor, residual: Tensor, weight_D: Tensor | None = None, eps: float = 1e-6
) -> tuple[Tensor, Tensor]:
    """Add and norm, (..., D) with (D,): what is normed, and the sum, which is the new residual.

    One pass by Triton on a GPU, two calls of torch elsewhere. Under autocast both results are float32.

    Raises:
        ValueError: the shapes, dtypes or devices do not fit together.
    """
    x, residual, weight_D, _ = checked("add_rms_norm", x, residual, weight_D)
    if by_triton(x):
        return by_rows(x, residual, weight_D, None, eps, centred=False)
    sum_ = x + residual
    return F.rms_norm(sum_, sum_.shape[-1:], weight_D, eps), sum_
