"""Rows sorted by the group they go to, and the tiles of a grouped product over them. Nothing waits for the device.

N tokens, K choices per token, M = N K choices, G groups (experts, or groups of the hidden dimension).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor


class Grouped(NamedTuple):
    """Choices n K + k in the order of their groups, and where each group begins in that order."""

    order_M: Tensor
    """int64; choices of one group keep the order of their tokens."""

    begins_G1: Tensor
    """int32, G + 1 of them: the last is M."""


def grouped(chosen_NK: Tensor, groups: int) -> Grouped:
    """Sort choices by group, on the device that they are on."""
    chosen_M, order_M = chosen_NK.flatten().sort(stable=True)
    every_G1 = torch.arange(groups + 1, device=chosen_NK.device, dtype=chosen_M.dtype)
    return Grouped(order_M, torch.searchsorted(chosen_M, every_G1, out_int32=True))


def places(groups: Grouped) -> Tensor:
    """Where each choice n K + k lies in the order of the groups, int64."""
    place_M = torch.empty_like(groups.order_M)
    every_M = torch.arange(len(place_M), device=place_M.device)
    return place_M.scatter_(0, groups.order_M, every_M)


def most_tiles(rows: int, groups: int, b_M: int) -> int:
    """How many tiles of b_M rows there can be, none of which has rows of two groups: every group may end in a part."""
    return triton.cdiv(rows, b_M) + min(groups, rows)


@triton.jit
def tile_of(p_begins, i_tile, groups, b_M: tl.constexpr, b_G: tl.constexpr):
    """Of the tile i_tile: its group, its first row in sorted order, and the row where its group ends.

    Past the last tile the group is `groups`; b_G is a power of two and at least `groups`.
    """
    i_g = tl.arange(0, b_G)
    b_begin = tl.load(p_begins + i_g, mask=i_g < groups, other=0)
    b_end = tl.load(p_begins + i_g + 1, mask=i_g < groups, other=0)
    b_tiles = (b_end - b_begin + b_M - 1) // b_M
    b_last = tl.cumsum(b_tiles, axis=0)
    before = (b_last <= i_tile) & (i_g < groups)
    i_group = tl.sum(before.to(tl.int32), axis=0)
    i_first = i_tile - tl.max(tl.where(before, b_last, 0), axis=0)
    inside = i_group < groups
    row = tl.load(p_begins + i_group, mask=inside, other=0) + i_first * b_M
    end = tl.load(p_begins + i_group + 1, mask=inside, other=0)
    return i_group, row, end
