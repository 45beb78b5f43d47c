"""Attention over parts of a context, merged: y = sum over parts of exp(lse[p] - lse) y[p], lse = log sum exp(lse[p]).

U units (a key/value head of a sequence), P parts of its context, R query rows, K head size. A part of no keys has
lse -inf and counts nothing. Merging is associative: merge any parts first, and the whole is the same.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launching import by_triton
from .tuning import bucket

BLOCK_P = 16
LN_2 = tl.constexpr(math.log(2))


def merge_attention_reference(y_UPRK: Tensor, lse_UPR: Tensor) -> tuple[Tensor, Tensor]:
    """By the formula."""
    lse_UR = lse_UPR.logsumexp(dim=1)
    weight_UPR = (lse_UPR - lse_UR.unsqueeze(1)).exp().where(lse_UPR > -torch.inf, 0)
    y_UPRK = y_UPRK.where((weight_UPR > 0).unsqueeze(3), 0)
    return (weight_UPR.unsqueeze(3) * y_UPRK).sum(dim=1).to(y_UPRK.dtype), lse_UR


@triton.jit
def merge_slots(p_y, p_lse, first, last, i_row, rows, width, b_P: tl.constexpr, b_K: tl.constexpr):
    """One row of the slots from `first` to before `last`: its (b_K,) output and its log-sum-exp, as (1,)."""
    i_k = tl.arange(0, b_K)
    b_most = tl.full((1,), float("-inf"), tl.float32)
    b_sum = tl.zeros((1,), tl.float32)
    b_y = tl.zeros((b_K,), tl.float32)
    for i_start in range(first, last, b_P):
        i_slot = i_start + tl.arange(0, b_P)
        inside = i_slot < last
        i_at = i_slot.to(tl.int64) * rows + i_row
        b_lse = tl.load(p_lse + i_at, mask=inside, other=float("-inf"))
        b_next = tl.maximum(b_most, tl.max(b_lse, axis=0))
        b_level = tl.where(b_next > float("-inf"), b_next, 0.0)
        b_weight = tl.exp2((b_lse - b_level) / LN_2)
        counts = b_weight[:, None] > 0.0
        mask = counts & inside[:, None] & (i_k < width)[None, :]
        b_part = tl.load(p_y + i_at[:, None] * width + i_k[None, :], mask=mask, other=0.0).to(tl.float32)
        b_keep = tl.exp2((b_most - b_level) / LN_2)
        b_y = b_y * b_keep + tl.sum(b_weight[:, None] * b_part, axis=0)
        b_sum = b_sum * b_keep + tl.sum(b_weight, axis=0)
        b_most = b_next
    some = b_sum > 0.0
    b_safe = tl.where(some, b_sum, 1.0)
    return b_y / b_safe, tl.where(some, b_most + tl.log2(b_safe) * LN_2, float("-inf"))


@triton.jit
def _merge_kernel(p_y, p_lse, p_merged, p_merged_lse, parts, rows, width, b_P: tl.constexpr, b_K: tl.constexpr):
    i_unit, i_row = tl.program_id(0), tl.program_id(1)
    first = i_unit * parts
    b_y, b_lse = merge_slots(p_y, p_lse, first, first + parts, i_row, rows, width, b_P, b_K)
    i_k = tl.arange(0, b_K)
    i_out = i_unit.to(tl.int64) * rows + i_row
    tl.store(p_merged + i_out * width + i_k, b_y.to(p_merged.dtype.element_ty), mask=i_k < width)
    tl.store(p_merged_lse + i_out + tl.arange(0, 1), b_lse)


def launch_merge(y_UPRK: Tensor, lse_UPR: Tensor, merged_URK: Tensor) -> Tensor:
    """Run the Triton kernel on parts that lie densely: it writes the outputs and returns their log-sum-exps."""
    units, parts, rows, width = y_UPRK.shape
    lse_UR = torch.empty(units, rows, dtype=torch.float32, device=y_UPRK.device)
    if merged_URK.numel():
        _merge_kernel[(units, rows)](
            y_UPRK, lse_UPR, merged_URK, lse_UR, parts, rows, width, b_P=BLOCK_P, b_K=bucket(width), num_warps=2
        )
    return lse_UR


@torch.library.custom_op("frontier::merge_attention", mutates_args=())
def _merge(y_UPRK: Tensor, lse_UPR: Tensor) -> tuple[Tensor, Tensor]:
    units, _, rows, width = y_UPRK.shape
    merged_URK = torch.empty(units, rows, width, dtype=y_UPRK.dtype, device=y_UPRK.device)
    return merged_URK, launch_merge(y_UPRK.contiguous(), lse_UPR.contiguous(), merged_URK)


@_merge.register_fake
def _(y_UPRK: Tensor, lse_UPR: Tensor) -> tuple[Tensor, Tensor]:
    units, _, rows, width = y_UPRK.shape
    return y_UPRK.new_empty(units, rows, width), lse_UPR.new_empty(units, rows)


def merge_attention(y_UPRK: Tensor, lse_UPR: Tensor) -> tuple[Tensor, Tensor]:
    """Merge the parts of a context, (U, P, R, K) and float32 (U, P, R), to outputs (U, R, K) and log-sum-exps (U, R).

    Not differentiable. Where every part is of no keys, the output is zero and its log-sum-exp -inf.

    Raises:
        ValueError: the shapes, dtypes or devices do not fit together.
    """
    if y_UPRK.ndim != 4 or lse_UPR.shape != y_UPRK.shape[:3]:
        raise ValueError(
            f"merge_attention takes outputs (U, P, R, K) and log-sum-exps (U, P, R);"
            f" got {tuple(y_UPRK.shape)} and {tuple(lse_UPR.shape)}"
        )
    if not y_UPRK.is_floating_point() or lse_UPR.dtype != torch.float32 or lse_UPR.device != y_UPRK.device:
        raise ValueError(
            f"merge_attention takes floating point and float32 on one device;"
            f" got {y_UPRK.dtype} on {y_UPRK.device} and {lse_UPR.dtype} on {lse_UPR.device}"
        )
    if by_triton(y_UPRK):
        return torch.ops.frontier.merge_attention(y_UPRK, lse_UPR)
    return merge_attention_reference(y_UPRK, lse_UPR)
