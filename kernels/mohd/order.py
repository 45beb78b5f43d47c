"""Which tokens a tile takes and which groups they chose, found on the device: nothing waits for it.

N tokens, G groups of which the first H are shared, K routed groups per token, M = N K choices.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..grouping import Grouped, grouped

# Tokens are brought into order within so many of them: counting takes their square.
WINDOW = 8192
b_T, b_U = (8, 16) if triton.knobs.runtime.interpret else (32, 128)
# A set of groups is a number of so many bits; beyond, neighbouring groups share one.
BITS = 62
# Up to so many choices, going through all of them once per group takes less time than sorting them.
MOST_COUNTED = 65536


class Tiles(NamedTuple):
    """Tokens in an order in which those of a tile choose few different groups."""

    order_N: Tensor
    """int32."""

    scale_GN: Tensor
    """float32, tokens in that order: the multiplier of a routed group, zero where the token did not choose it."""

    groups_TG: Tensor
    """int32: the routed groups that any token of a tile chose, in ascending order, and then nothing."""

    count_T: Tensor
    """int32: how many those are."""


@triton.jit
def _place(p_chosen, i_t, inside, groups, bits, choices):
    """The place of each token's set of groups in the reflected Gray code: neighbours differ in one or two groups."""
    b_set = tl.zeros(i_t.shape, dtype=tl.int64)
    b_one = b_set + 1
    for k in range(choices):
        b_g = tl.load(p_chosen + i_t.to(tl.int64) * choices + k, mask=inside, other=0)
        b_set |= b_one << (b_g * bits // groups)
    for shift in tl.static_range(6):
        b_set ^= b_set >> (1 << shift)
    return b_set


@triton.jit
def _order_kernel(
    p_chosen, p_order, tokens, groups, bits, choices, window, b_T: tl.constexpr, b_U: tl.constexpr
):  # fmt: skip
    """Where b_T tokens go in their window: after as many as have a smaller place, or the same and come first."""
    i_first = tl.program_id(0) * b_T
    i_t = i_first + tl.arange(0, b_T)
    begin = i_first // window * window
    end = tl.minimum(begin + window, tokens)
    b_place = _place(p_chosen, i_t, i_t < tokens, groups, bits, choices)
    b_rank = tl.zeros((b_T,), dtype=tl.int32)
    for i_start in range(begin, end, b_U):
        i_u = i_start + tl.arange(0, b_U)
        b_other = _place(p_chosen, i_u, i_u < end, groups, bits, choices)
        first = (i_u[None, :] < i_t[:, None]) & (b_other[None, :] == b_place[:, None])
        before = (first | (b_other[None, :] < b_place[:, None])) & (i_u < end)[None, :]
        b_rank += tl.sum(before.to(tl.int32), axis=1)
    tl.store(p_order + begin + b_rank, i_t, mask=i_t < tokens)


@triton.jit
def _tiles_kernel(
    p_chosen, p_multiplier, p_order, p_scale, p_groups, p_count, tokens, groups, shared, choices,
    multiplier_stride_N, multiplier_stride_A, SCALED: tl.constexpr, b_N: tl.constexpr, b_G: tl.constexpr,
):  # fmt: skip
    """The scales of b_N tokens in their order, and the groups that any of them chose."""
    i_tile = tl.program_id(0).to(tl.int64)
    i_n = i_tile * b_N + tl.arange(0, b_N)
    inside = i_n < tokens
    b_t = tl.load(p_order + i_n, mask=inside, other=0).to(tl.int64)
    count = 0
    for i_start in range(0, groups, b_G):
        i_g = i_start + tl.arange(0, b_G)
        b_scale = tl.zeros((b_G, b_N), dtype=tl.float32)
        b_any = tl.zeros((b_G, b_N), dtype=tl.int32)
        for k in range(choices):
            b_g = tl.load(p_chosen + b_t * choices + k, mask=inside, other=-1)
            hit = i_g[:, None] == b_g[None, :]
            b_any |= hit.to(tl.int32)
            if SCALED:
                p_m = p_multiplier + b_t * multiplier_stride_N + (shared + k) * multiplier_stride_A
                b_m = tl.load(p_m, mask=inside, other=0.0).to(tl.float32)
                b_scale += tl.where(hit, b_m[None, :], 0.0)
            else:
                b_scale += hit.to(tl.float32)
        mask = (i_g < groups)[:, None] & inside[None, :]
        tl.store(p_scale + i_g.to(tl.int64)[:, None] * tokens + i_n[None, :], b_scale, mask=mask)
        b_chosen = tl.max(b_any, axis=1)
        i_entry = count + tl.cumsum(b_chosen, axis=0) - b_chosen
        tl.store(p_groups + i_tile * groups + i_entry, i_g, mask=b_chosen > 0)
        count += tl.sum(b_chosen, axis=0)
    tl.store(p_count + i_tile, count)


@triton.jit
def _grouped_kernel(p_chosen, p_order, p_begins, rows, b_M: tl.constexpr):
    """The choices of one group, in the order of their tokens, after those of all groups before it."""
    i_group = tl.program_id(0)
    b_before = tl.zeros((b_M,), dtype=tl.int32)
    for i_start in range(0, rows, b_M):
        i_m = i_start + tl.arange(0, b_M)
        b_g = tl.load(p_chosen + i_m, mask=i_m < rows, other=i_group)
        b_before += (b_g < i_group).to(tl.int32)
    begin = tl.sum(b_before, axis=0)
    tl.store(p_begins + i_group, begin)
    for i_start in range(0, rows, b_M):
        i_m = i_start + tl.arange(0, b_M)
        b_g = tl.load(p_chosen + i_m, mask=i_m < rows, other=-1)
        b_hit = (b_g == i_group).to(tl.int32)
        tl.store(p_order + begin + tl.cumsum(b_hit, axis=0) - b_hit, i_m.to(tl.int64), mask=b_hit > 0)
        begin += tl.sum(b_hit, axis=0)


def order_by_sets(chosen_NK: Tensor, groups: int) -> Tensor:
    """Tokens in an order in which neighbours choose the same groups, or nearly, within every window; (N,) int32."""
    tokens, choices = chosen_NK.shape
    if choices == 0 or tokens <= b_T:
        return torch.arange(tokens, dtype=torch.int32, device=chosen_NK.device)
    order_N = torch.empty(tokens, dtype=torch.int32, device=chosen_NK.device)
    _order_kernel[(triton.cdiv(tokens, b_T),)](
        chosen_NK, order_N, tokens, groups, min(groups, BITS), choices, WINDOW, b_T=b_T, b_U=b_U
    )
    return order_N


def tiles(
    order_N: Tensor, chosen_NK: Tensor, multiplier_NA: Tensor | None, groups: int, shared: int, b_N: int
) -> Tiles:
    """What b_N tokens at a time chose."""
    tokens, choices = chosen_NK.shape
    count = triton.cdiv(tokens, b_N)
    scale_GN = torch.empty(groups, tokens, dtype=torch.float32, device=chosen_NK.device)
    groups_TG = torch.empty(count, groups, dtype=torch.int32, device=chosen_NK.device)
    count_T = torch.empty(count, dtype=torch.int32, device=chosen_NK.device)
    strides = (0, 0) if multiplier_NA is None else multiplier_NA.stride()
    _tiles_kernel[(count,)](
        chosen_NK, multiplier_NA, order_N, scale_GN, groups_TG, count_T, tokens, groups, shared, choices, *strides,
        SCALED=multiplier_NA is not None, b_N=b_N, b_G=min(32, triton.next_power_of_2(groups)),
    )  # fmt: skip
    return Tiles(order_N, scale_GN, groups_TG, count_T)


def by_group(chosen_NK: Tensor, groups: int) -> Grouped:
    """Choices sorted by group."""
    rows = chosen_NK.numel()
    if rows > MOST_COUNTED:
        return grouped(chosen_NK, groups)
    order_M = torch.empty(rows, dtype=torch.int64, device=chosen_NK.device)
    begins_G1 = torch.empty(groups + 1, dtype=torch.int32, device=chosen_NK.device)
    b_M = min(4096, max(16, triton.next_power_of_2(rows)))
    _grouped_kernel[(groups + 1,)](chosen_NK, order_M, begins_G1, rows, b_M=b_M, num_warps=8)
    return Grouped(order_M, begins_G1)
