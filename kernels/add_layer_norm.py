"""Residual and layer norm: s = x + residual and (s - mean(s)) / sqrt(var(s) + eps) * weight + bias, over the last axis.

D width; the variance is the mean square of s - mean(s). Source: arXiv 1607.06450.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .launching import by_triton
from .residual_norm import by_rows, checked


def add_layer_norm_reference(
    x: Tensor, residual: Tensor, weight_D: Tensor | None = None, bias_D: Tensor | None = None, eps: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """By the formula."""
    sum_ = x + residual
    centred = sum_ - sum_.mean(dim=-1, keepdim=True)
    normed = centred * (centred.square().mean(dim=-1, keepdim=True) + eps).rsqrt()
    normed = normed if weight_D is None else normed * weight_D
    return normed if bias_D is None else normed + bias_D, sum_


def add_layer_norm(
    x: Tensor, residual: Tensor, weight_D: Tensor | None = None, bias_D: Tensor | None = None, eps: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """Add and norm, (..., D) with (D,): what is normed, and the sum, which is the new residual.

    One pass by Triton on a GPU, calls of torch elsewhere. Under autocast both results are float32.

    Raises:
        ValueError: the shapes, dtypes or devices do not fit together.
    """
    x, residual, weight_D, bias_D = checked("add_layer_norm", x, residual, weight_D, bias_D)
    if by_triton(x):
        return by_rows(x, residual, weight_D, bias_D, eps, centred=True)
    sum_ = x + residual
    return _layer_norm(sum_, weight_D, bias_D, eps), sum_


def _layer_norm(x: Tensor, weight_D: Tensor | None, bias_D: Tensor | None, eps: float) -> Tensor:
    learned = any(given is not None and given.requires_grad for given in (weight_D, bias_D))
    if not (learned and torch.is_grad_enabled()):
        return F.layer_norm(x, x.shape[-1:], weight_D, bias_D, eps)
    # Torch's layer norm on a CPU adds a weight's gradient up row by row in the weight's own dtype: of 900 rows in
    # bfloat16 it was off by an eighth. Scaled and shifted outside of it, the gradient is as exact as any sum of torch.
    normed = F.layer_norm(x, x.shape[-1:], eps=eps)
    normed = normed if weight_D is None else normed * weight_D
    return normed if bias_D is None else normed + bias_D
