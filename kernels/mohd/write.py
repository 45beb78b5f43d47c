"""The Triton kernel that writes: y[n, g] = scale[n, g] a[n] @ weight[g].T in the groups of token n, zero elsewhere.

N tokens, D width cut into G groups of S columns, O inputs, H shared groups, A = H + K per token, M = N K choices.

One launch has three kinds of programs. Some make a tile of the shared columns, as any dense product does; some a tile
of one routed group, of tokens that chose it, so that nothing is multiplied in vain; some write the zeros. Scaled, it is
the gradient of what was read, and `u` times the product before, added up over a group, is that of the multiplier.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..grouping import Grouped, most_tiles, tile_of
from ..tuning import Config, bucket
from .tuned import LEAST_BLOCK, Regimes, group_block

WRITE = Regimes(
    "mohd_write",
    interpreted={"b_M": 16, "b_C": 32, "b_K": 32},
    few=(
        {"b_M": 16, "b_C": 32, "b_K": 128, "num_warps": 4, "num_stages": 3},
        {"b_M": 16, "b_C": 16, "b_K": 128, "num_warps": 2, "num_stages": 4},
        {"b_M": 16, "b_C": 64, "b_K": 128, "num_warps": 4, "num_stages": 4},
        {"b_M": 32, "b_C": 64, "b_K": 64, "num_warps": 4, "num_stages": 4},
        {"b_M": 64, "b_C": 64, "b_K": 64, "num_warps": 4, "num_stages": 4},
    ),
    many=(
        {"b_M": 128, "b_C": 128, "b_K": 64, "num_warps": 8, "num_stages": 3},
        {"b_M": 128, "b_C": 256, "b_K": 64, "num_warps": 8, "num_stages": 3},
        {"b_M": 256, "b_C": 128, "b_K": 64, "num_warps": 8, "num_stages": 3},
        {"b_M": 64, "b_C": 128, "b_K": 64, "num_warps": 4, "num_stages": 4},
        {"b_M": 128, "b_C": 64, "b_K": 64, "num_warps": 4, "num_stages": 4},
        {"b_M": 64, "b_C": 64, "b_K": 64, "num_warps": 4, "num_stages": 4},
    ),
    float32=(
        {"b_M": 64, "b_C": 64, "b_K": 16, "num_warps": 8, "num_stages": 2},
        {"b_M": 128, "b_C": 64, "b_K": 16, "num_warps": 8, "num_stages": 2},
        {"b_M": 16, "b_C": 32, "b_K": 32, "num_warps": 4, "num_stages": 2},
    ),
)


@triton.jit
def _tile(
    p_a, p_w, p_y, p_u, p_multiplier, p_grad_m, b_t, in_M, i_group, groups, i_part, size, b_active, tokens, width,
    inner, active, a_stride_N, a_stride_O, w_stride_D, w_stride_O, u_stride_N, u_stride_D, m_stride_N, m_stride_A,
    SCALED: tl.constexpr, b_M: tl.constexpr, b_C: tl.constexpr, b_S: tl.constexpr, b_K: tl.constexpr,
):  # fmt: skip
    """Tokens b_t times the columns of a part of one group, or of several small ones, the first of which is i_group.

    `b_active` is where among its multipliers a token has that of i_group: of the shared groups, i_group itself.
    """
    SEVERAL: tl.constexpr = b_C // b_S
    i_c = tl.arange(0, b_C)
    if SEVERAL == 1:
        i_s = i_part * b_S + i_c
        i_d = i_group.to(tl.int64) * size + i_s
        in_C = i_s < size
    else:
        i_s = i_c % b_S
        i_d = (i_group + i_c // b_S).to(tl.int64) * size + i_s
        in_C = (i_s < size) & (i_group + i_c // b_S < groups)
    b_y = tl.zeros((b_M, b_C), dtype=tl.float32)
    p_a += b_t * a_stride_N
    p_w += i_d * w_stride_D
    for i_start in range(0, inner, b_K):
        i_o = (i_start + tl.arange(0, b_K)).to(tl.int64)
        in_O = i_o < inner
        b_a = tl.load(p_a[:, None] + i_o[None, :] * a_stride_O, mask=in_M[:, None] & in_O[None, :], other=0.0)
        b_w = tl.load(p_w[None, :] + i_o[:, None] * w_stride_O, mask=in_O[:, None] & in_C[None, :], other=0.0)
        b_y = tl.dot(b_a, b_w, b_y, input_precision="ieee")
    mask = in_M[:, None] & in_C[None, :]
    if SCALED:
        b_u = tl.load(p_u + b_t[:, None] * u_stride_N + i_d[None, :] * u_stride_D, mask=mask, other=0.0)
        b_product = b_u.to(tl.float32) * b_y
        if SEVERAL == 1:
            p_m = p_multiplier + b_t * m_stride_N + b_active * m_stride_A
            b_m = tl.load(p_m, mask=in_M, other=0.0)[:, None]
            p_grad_m += (i_part.to(tl.int64) * tokens + b_t) * active + b_active
            tl.store(p_grad_m, tl.sum(b_product, axis=1), mask=in_M)
        else:
            i_a = i_group + i_c // b_S
            b_m = tl.load(p_multiplier + b_t[:, None] * m_stride_N + i_a[None, :] * m_stride_A, mask=mask, other=0.0)
            i_several = tl.arange(0, SEVERAL)
            b_sum = tl.sum(tl.reshape(b_product, (b_M, SEVERAL, b_S)), axis=2)
            p_grad_m += b_t[:, None] * active + (i_group + i_several)[None, :]
            tl.store(p_grad_m, b_sum, mask=in_M[:, None] & (i_group + i_several < groups)[None, :])
        b_y *= b_m.to(tl.float32)
    tl.store(p_y + b_t[:, None] * width + i_d[None, :], b_y.to(p_y.dtype.element_ty), mask=mask)


@triton.jit
def _write_kernel(
    p_a, p_w, p_y, p_u, p_multiplier, p_grad_m, p_chosen, p_order, p_begins, tokens, width, inner, groups, shared,
    choices, size, shared_groups, shared_size, shared_tiles, routed_tiles,
    a_stride_N, a_stride_O, w_stride_D, w_stride_O, u_stride_N, u_stride_D, m_stride_N, m_stride_A,
    SCALED: tl.constexpr, b_M: tl.constexpr, b_C: tl.constexpr, b_K: tl.constexpr, b_S: tl.constexpr,
    b_SHARED: tl.constexpr, b_G: tl.constexpr, ONE_SHAPE: tl.constexpr,
):  # fmt: skip
    """A tile of the shared columns, or of one routed group, or the zeros of b_M tokens in one group."""
    ALIKE: tl.constexpr = ONE_SHAPE and b_S == b_C
    i_program = tl.program_id(0)
    active = shared + choices
    i_m = tl.arange(0, b_M)
    parts = tl.cdiv(size, b_S)
    if i_program < shared_tiles + routed_tiles:
        if i_program < shared_tiles:
            shared_parts = tl.cdiv(shared_size, b_SHARED)
            tiles_M = tl.cdiv(tokens, b_M)
            tiles_C = shared_tiles // tiles_M
            i_tile, i_tile_C = tl.swizzle2d(i_program // tiles_C, i_program % tiles_C, tiles_M, tiles_C, 8)
            i_group, i_part = i_tile_C // shared_parts * (b_C // b_SHARED), i_tile_C % shared_parts
            b_t = i_tile.to(tl.int64) * b_M + i_m
            in_M = b_t < tokens
            b_active = tl.zeros((b_M,), dtype=tl.int64) + i_group
        else:
            i_routed = i_program - shared_tiles
            i_group, row, end = tile_of(p_begins, i_routed // parts, groups, b_M, b_G)
            i_part = i_routed % parts
            in_M = row + i_m < end
            b_choice = tl.load(p_order + row + i_m, mask=in_M, other=0)
            b_t = b_choice // choices
            b_active = shared + b_choice % choices
        # Where a tile of a routed group has the shape of one of the shared columns, one body of code makes both, in
        # half of the shared memory.
        if ALIKE:
            if i_group < groups:
                _tile(
                    p_a, p_w, p_y, p_u, p_multiplier, p_grad_m, b_t, in_M, i_group, groups, i_part, size, b_active,
                    tokens, width, inner, active, a_stride_N, a_stride_O, w_stride_D, w_stride_O, u_stride_N,
                    u_stride_D, m_stride_N, m_stride_A, SCALED=SCALED, b_M=b_M, b_C=b_C, b_S=b_C, b_K=b_K,
                )  # fmt: skip
        elif i_program < shared_tiles:
            _tile(
                p_a, p_w, p_y, p_u, p_multiplier, p_grad_m, b_t, in_M, i_group, shared_groups, i_part, shared_size,
                b_active, tokens, width, inner, active, a_stride_N, a_stride_O, w_stride_D, w_stride_O, u_stride_N,
                u_stride_D, m_stride_N, m_stride_A, SCALED=SCALED, b_M=b_M, b_C=b_C, b_S=b_SHARED, b_K=b_K,
            )  # fmt: skip
        elif i_group < groups:
            _tile(
                p_a, p_w, p_y, p_u, p_multiplier, p_grad_m, b_t, in_M, i_group, groups, i_part, size, b_active,
                tokens, width, inner, active, a_stride_N, a_stride_O, w_stride_D, w_stride_O, u_stride_N, u_stride_D,
                m_stride_N, m_stride_A, SCALED=SCALED, b_M=b_M, b_C=b_S, b_S=b_S, b_K=b_K,
            )  # fmt: skip
    else:
        i_zero = i_program - shared_tiles - routed_tiles
        i_group = shared + i_zero % (groups - shared)
        b_t = (i_zero // (groups - shared)).to(tl.int64) * b_M + i_m
        b_zero = b_t < tokens
        for k in range(choices):
            b_zero &= tl.load(p_chosen + b_t * choices + k, mask=b_t < tokens, other=0) != i_group
        for i_part in range(parts):
            i_s = i_part * b_S + tl.arange(0, b_S)
            p_out = p_y + b_t[:, None] * width + i_group.to(tl.int64) * size + i_s[None, :]
            b_y = tl.zeros((b_M, b_S), dtype=p_y.dtype.element_ty)
            tl.store(p_out, b_y, mask=b_zero[:, None] & (i_s < size)[None, :])


def launch_write(
    a_NO: Tensor,
    weight_DO: Tensor,
    chosen_NK: Tensor,
    by_group: Grouped,
    shared: int,
    group_size: int,
    scaled: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor | None]:
    """(N, D). Given u (N, D) and the multiplier (N, A), it is scaled by the latter, and there is its gradient too."""
    (tokens, inner), width = a_NO.shape, len(weight_DO)
    groups, choices = width // group_size, chosen_NK.shape[1]
    y_ND = torch.empty(tokens, width, dtype=a_NO.dtype, device=a_NO.device)
    if tokens * width == 0:
        return y_ND, None if scaled is None else torch.empty_like(scaled[1])
    # Every configuration leaves the sums of its own parts of a group, from which the gradient is made.
    partial: list[Tensor] = []

    def run(config: Config) -> None:
        b_M, b_C = config["b_M"], config["b_C"]
        # What isn't scaled needs no borders between groups: where tiles don't fill them, the shared ones count as one.
        one_shape = scaled is not None or group_size % b_C == 0
        shared_groups, shared_size = (shared, group_size) if one_shape else (1, shared * group_size)
        b_S, b_SHARED = max(LEAST_BLOCK, group_block(group_size, b_C)), group_block(shared_size, b_C)
        parts, tiles_M = triton.cdiv(group_size, b_S), triton.cdiv(tokens, b_M)
        shared_C = triton.cdiv(shared_groups, b_C // b_SHARED) * triton.cdiv(shared_size, b_SHARED)
        routed_tiles = most_tiles(tokens * choices, groups, b_M) * parts
        grad_m = y_ND
        if scaled is not None:
            shape = (parts, tokens, shared + choices)
            grad_m = torch.empty(shape, dtype=torch.float32, device=a_NO.device)
            partial[:] = [grad_m]
        u_ND, multiplier_NA = (y_ND, y_ND) if scaled is None else scaled
        _write_kernel[(tiles_M * shared_C + routed_tiles + tiles_M * (groups - shared),)](
            a_NO, weight_DO, y_ND, u_ND, multiplier_NA, grad_m, chosen_NK, by_group.order_M, by_group.begins_G1,
            tokens, width, inner, groups, shared, choices, group_size, shared_groups, shared_size,
            tiles_M * shared_C, routed_tiles, *a_NO.stride(), *weight_DO.stride(), *u_ND.stride(),
            *multiplier_NA.stride(), SCALED=scaled is not None, b_S=b_S, b_SHARED=b_SHARED,
            b_G=triton.next_power_of_2(groups), ONE_SHAPE=one_shape, **config,
        )  # fmt: skip

    key = (bucket(tokens), bucket(inner), bucket((shared + choices) * group_size), bucket(group_size))
    WRITE.of(tokens, a_NO.dtype).launch(run, a_NO.device, *key, a_NO.dtype, scaled is not None)
    if scaled is None:
        return y_ND, None
    return y_ND, partial[0].sum(dim=0).to(scaled[1].dtype)
