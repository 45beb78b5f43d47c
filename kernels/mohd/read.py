"""The Triton kernel that reads: h[n] = sum over the groups g of token n of scale[g, n] u[n, g] @ weight[:, g].T.

N tokens, D width cut into G groups of S columns, O outputs, H shared groups, A = H + K groups per token.

A program owns b_N tokens and b_O outputs. It goes through the shared columns as any dense product does, and then
through the routed groups that any of its tokens chose, with those of the other tokens at zero: everything is added up
in registers and written once. Tokens come in the order of their sets, so that a tile chose few groups; at one routed
group per token that is hardly more than one. A grouped product per group would do no product in vain, but it would have
to write M rows of O partial sums and read them again: longer than the products, unless groups have hundreds of columns.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tuning import Config, bucket
from .order import order_by_sets, tiles
from .tuned import Regimes, group_block

READ = Regimes(
    "mohd_read",
    interpreted={"b_N": 16, "b_O": 32, "b_K": 16},
    few=(
        {"b_N": 16, "b_O": 32, "b_K": 128, "num_warps": 4, "num_stages": 3},
        {"b_N": 16, "b_O": 16, "b_K": 128, "num_warps": 2, "num_stages": 4},
        {"b_N": 16, "b_O": 64, "b_K": 128, "num_warps": 4, "num_stages": 4},
        {"b_N": 32, "b_O": 64, "b_K": 64, "num_warps": 4, "num_stages": 4},
        {"b_N": 64, "b_O": 64, "b_K": 64, "num_warps": 4, "num_stages": 4},
    ),
    many=(
        {"b_N": 128, "b_O": 128, "b_K": 64, "num_warps": 8, "num_stages": 3},
        {"b_N": 128, "b_O": 256, "b_K": 64, "num_warps": 8, "num_stages": 3},
        {"b_N": 64, "b_O": 256, "b_K": 64, "num_warps": 4, "num_stages": 3},
        {"b_N": 64, "b_O": 128, "b_K": 64, "num_warps": 4, "num_stages": 4},
        {"b_N": 128, "b_O": 64, "b_K": 64, "num_warps": 4, "num_stages": 4},
        {"b_N": 64, "b_O": 64, "b_K": 64, "num_warps": 4, "num_stages": 4},
    ),
    float32=(
        {"b_N": 64, "b_O": 64, "b_K": 16, "num_warps": 8, "num_stages": 2},
        {"b_N": 128, "b_O": 64, "b_K": 16, "num_warps": 8, "num_stages": 2},
        {"b_N": 32, "b_O": 64, "b_K": 32, "num_warps": 4, "num_stages": 2},
    ),
)


@triton.jit
def _add(
    b_h, p_u, p_w, p_scale, p_groups, p_row_scale, in_N, i_o, in_O, count, size, scale_stride_G,
    u_stride_D, w_stride_O, w_stride_D, ROUTED: tl.constexpr, SCALED: tl.constexpr, b_K: tl.constexpr,
    b_S: tl.constexpr,
):  # fmt: skip
    """Add the products of `count` groups, of b_K columns at a time: a part of one group, or several small ones."""
    SEVERAL: tl.constexpr = b_K // b_S
    i_k = tl.arange(0, b_K)
    parts = tl.cdiv(size, b_S)
    for i_step in range(tl.cdiv(count, SEVERAL) * parts):
        if SEVERAL == 1:
            i_entry = i_step // parts
            i_s = i_step % parts * b_S + i_k
            in_K = i_s < size
            in_list = i_entry < count
        else:
            i_entry = i_step * SEVERAL + i_k // b_S
            i_s = i_k % b_S
            in_K = (i_s < size) & (i_entry < count)
            in_list = in_K
        i_group = tl.load(p_groups + i_entry, mask=in_list, other=0).to(tl.int64) if ROUTED else i_entry.to(tl.int64)
        i_d = i_group * size + i_s
        mask = in_N[:, None] & in_K[None, :]
        if ROUTED or SCALED:
            if SEVERAL == 1:
                b_scale = tl.load(p_row_scale + i_group * scale_stride_G, mask=in_N, other=0.0)[:, None]
            else:
                b_scale = tl.load(p_row_scale[:, None] + i_group[None, :] * scale_stride_G, mask=mask, other=0.0)
            b_scale = b_scale.to(tl.float32)
        if ROUTED:
            mask &= b_scale != 0.0
        b_u = tl.load(p_u[:, None] + i_d[None, :] * u_stride_D, mask=mask, other=0.0)
        b_w = tl.load(
            p_w + i_d[:, None] * w_stride_D + i_o[None, :] * w_stride_O,
            mask=in_K[:, None] & in_O[None, :], other=0.0,
        )  # fmt: skip
        if SCALED:
            b_u = (b_u.to(tl.float32) * b_scale).to(b_w.dtype)
        b_h = tl.dot(b_u, b_w, b_h, input_precision="ieee")
    return b_h


@triton.jit
def _read_kernel(
    p_u, p_w, p_multiplier, p_scale, p_order, p_groups, p_count, p_h, tokens, outputs, groups, shared_groups,
    shared_size, size, u_stride_N, u_stride_D, w_stride_O, w_stride_D, m_stride_N, m_stride_A,
    SCALED: tl.constexpr, b_N: tl.constexpr, b_O: tl.constexpr, b_K: tl.constexpr, b_S: tl.constexpr,
    b_SHARED: tl.constexpr,
):  # fmt: skip
    """One (b_N, b_O) tile, tokens in the order that p_order gives."""
    tiles_N, tiles_O = tl.cdiv(tokens, b_N), tl.cdiv(outputs, b_O)
    i_tile, i_tile_O = tl.swizzle2d(tl.program_id(0) // tiles_O, tl.program_id(0) % tiles_O, tiles_N, tiles_O, 8)
    i_n = i_tile.to(tl.int64) * b_N + tl.arange(0, b_N)
    i_o = (i_tile_O * b_O + tl.arange(0, b_O)).to(tl.int64)
    in_N, in_O = i_n < tokens, i_o < outputs
    b_t = tl.load(p_order + i_n, mask=in_N, other=0).to(tl.int64)
    p_u += b_t * u_stride_N
    p_groups += i_tile.to(tl.int64) * groups
    b_h = tl.zeros((b_N, b_O), dtype=tl.float32)
    b_h = _add(
        b_h, p_u, p_w, p_multiplier, p_groups, p_multiplier + b_t * m_stride_N, in_N, i_o, in_O, shared_groups,
        shared_size, m_stride_A, u_stride_D, w_stride_O, w_stride_D, ROUTED=False, SCALED=SCALED, b_K=b_K,
        b_S=b_SHARED,
    )  # fmt: skip
    b_h = _add(
        b_h, p_u, p_w, p_scale, p_groups, p_scale + i_n, in_N, i_o, in_O, tl.load(p_count + i_tile), size, tokens,
        u_stride_D, w_stride_O, w_stride_D, ROUTED=True, SCALED=SCALED, b_K=b_K, b_S=b_S,
    )  # fmt: skip
    p_out = p_h + b_t[:, None] * outputs + i_o[None, :]
    tl.store(p_out, b_h.to(p_h.dtype.element_ty), mask=in_N[:, None] & in_O[None, :])


def launch_read(
    u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor | None, chosen_NK: Tensor, shared: int, group_size: int
) -> Tensor:
    """(N, O); without a multiplier every group of a token counts once."""
    (tokens, width), outputs = u_ND.shape, len(weight_OD)
    groups, active = width // group_size, shared + chosen_NK.shape[1]
    h_NO = torch.empty(tokens, outputs, dtype=u_ND.dtype, device=u_ND.device)
    if h_NO.numel() == 0:
        return h_NO
    scaled = multiplier_NA is not None
    # What isn't scaled needs no borders between groups: the shared columns are one group.
    shared_groups, shared_size = (shared, group_size) if scaled else (1, shared * group_size)
    order_N = order_by_sets(chosen_NK, groups)

    def run(config: Config) -> None:
        b_N, b_O, b_K = config["b_N"], config["b_O"], config["b_K"]
        tile = tiles(order_N, chosen_NK, multiplier_NA, groups, shared, b_N)
        _read_kernel[(triton.cdiv(tokens, b_N) * triton.cdiv(outputs, b_O),)](
            u_ND, weight_OD, multiplier_NA if scaled else tile.scale_GN, tile.scale_GN, tile.order_N, tile.groups_TG,
            tile.count_T, h_NO, tokens, outputs, groups, shared_groups, shared_size, group_size, *u_ND.stride(),
            *weight_OD.stride(), *((0, 0) if multiplier_NA is None else multiplier_NA.stride()), SCALED=scaled,
            b_S=group_block(group_size, b_K), b_SHARED=group_block(shared_size, b_K), **config,
        )  # fmt: skip

    tuning = READ.of(tokens, u_ND.dtype)
    key = (bucket(tokens), bucket(outputs), bucket(active * group_size), bucket(group_size), u_ND.dtype, scaled)
    tuning.launch(run, u_ND.device, *key)
    return h_NO
