"""Triton's way through the experts: products of tiles of sorted rows, none of which has rows of two experts.

N tokens, D width, E experts, F inner size of an expert, K choices per token, M = N K choices in the order of their
experts. In kernels `s_` is a stride, and the block sizes are b_M rows, b_C columns of the result and b_R of what is
summed over. Nothing is padded, nothing waits for the device, and nothing is added up by atomics.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..grouping import Grouped, most_tiles, tile_of
from ..tuning import Config

# Rows and columns of a tile of the sum over a token's choices, which only moves memory.
SUM_TOKENS, SUM_COLUMNS = 16, 128


@triton.jit
def _inner_kernel(
    p_x, s_xn, s_xd, p_gate, s_ge, s_gf, s_gd, p_up, s_ue, s_uf, s_ud, p_order, p_begins, p_inner,
    experts, choices, D, F, b_M: tl.constexpr, b_C: tl.constexpr, b_R: tl.constexpr, b_E: tl.constexpr,
):  # fmt: skip
    """inner[m, f] = silu(gate[e, f] . x[token]) * (up[e, f] . x[token]), one (b_M, b_C) tile."""
    i_e, row, end = tile_of(p_begins, tl.program_id(0), experts, b_M, b_E)
    if i_e >= experts:
        return
    i_m = row + tl.arange(0, b_M).to(tl.int64)
    i_f = tl.program_id(1) * b_C + tl.arange(0, b_C).to(tl.int64)
    in_m, in_f = (i_m < end)[:, None], (i_f < F)[None, :]
    i_token = tl.load(p_order + i_m, mask=i_m < end, other=0) // choices
    p_gate += i_e.to(tl.int64) * s_ge
    p_up += i_e.to(tl.int64) * s_ue
    b_gate = tl.zeros((b_M, b_C), dtype=tl.float32)
    b_up = tl.zeros((b_M, b_C), dtype=tl.float32)
    for start in range(0, D, b_R):
        i_d = start + tl.arange(0, b_R).to(tl.int64)
        b_x = tl.load(p_x + i_token[:, None] * s_xn + i_d[None, :] * s_xd, mask=in_m & (i_d < D)[None, :], other=0.0)
        in_w = (i_d < D)[:, None] & in_f
        b_gate_w = tl.load(p_gate + i_d[:, None] * s_gd + i_f[None, :] * s_gf, mask=in_w, other=0.0)
        b_up_w = tl.load(p_up + i_d[:, None] * s_ud + i_f[None, :] * s_uf, mask=in_w, other=0.0)
        b_gate = tl.dot(b_x, b_gate_w, b_gate, input_precision="ieee")
        b_up = tl.dot(b_x, b_up_w, b_up, input_precision="ieee")
    b_inner = b_gate * tl.sigmoid(b_gate) * b_up
    tl.store(p_inner + i_m[:, None] * F + i_f[None, :], b_inner.to(p_inner.dtype.element_ty), mask=in_m & in_f)


@triton.jit
def _inner_gradient_kernel(
    p_x, s_xn, s_xd, p_grad_y, s_yn, s_yd,
    p_gate, s_ge, s_gf, s_gd, p_up, s_ue, s_uf, s_ud, p_down, s_de, s_dd, s_df, p_weight, s_wn, s_wk,
    p_order, p_begins, p_inner, p_grad_gate, p_grad_up, p_grad_weight,
    experts, choices, rows, D, F, b_M: tl.constexpr, b_C: tl.constexpr, b_R: tl.constexpr, b_E: tl.constexpr,
):  # fmt: skip
    """The weighted inner activations and the gradients of gate and up before them, (M, F), one (b_M, b_C) tile.

    Of the gradient of weight, the part of these columns: (cdiv(F, b_C), M).
    """
    i_e, row, end = tile_of(p_begins, tl.program_id(0), experts, b_M, b_E)
    if i_e >= experts:
        return
    i_m = row + tl.arange(0, b_M).to(tl.int64)
    i_f = tl.program_id(1) * b_C + tl.arange(0, b_C).to(tl.int64)
    in_m, in_f = (i_m < end)[:, None], (i_f < F)[None, :]
    i_choice = tl.load(p_order + i_m, mask=i_m < end, other=0)
    i_token = i_choice // choices
    p_gate += i_e.to(tl.int64) * s_ge
    p_up += i_e.to(tl.int64) * s_ue
    p_down += i_e.to(tl.int64) * s_de
    b_gate = tl.zeros((b_M, b_C), dtype=tl.float32)
    b_up = tl.zeros((b_M, b_C), dtype=tl.float32)
    b_grad = tl.zeros((b_M, b_C), dtype=tl.float32)
    for start in range(0, D, b_R):
        i_d = start + tl.arange(0, b_R).to(tl.int64)
        in_x, in_w = in_m & (i_d < D)[None, :], (i_d < D)[:, None] & in_f
        b_x = tl.load(p_x + i_token[:, None] * s_xn + i_d[None, :] * s_xd, mask=in_x, other=0.0)
        b_grad_y = tl.load(p_grad_y + i_token[:, None] * s_yn + i_d[None, :] * s_yd, mask=in_x, other=0.0)
        b_gate_w = tl.load(p_gate + i_d[:, None] * s_gd + i_f[None, :] * s_gf, mask=in_w, other=0.0)
        b_up_w = tl.load(p_up + i_d[:, None] * s_ud + i_f[None, :] * s_uf, mask=in_w, other=0.0)
        b_down_w = tl.load(p_down + i_d[:, None] * s_dd + i_f[None, :] * s_df, mask=in_w, other=0.0)
        b_gate = tl.dot(b_x, b_gate_w, b_gate, input_precision="ieee")
        b_up = tl.dot(b_x, b_up_w, b_up, input_precision="ieee")
        b_grad = tl.dot(b_grad_y, b_down_w, b_grad, input_precision="ieee")
    b_sigmoid = tl.sigmoid(b_gate)
    b_active = b_gate * b_sigmoid
    b_inner = b_active * b_up
    b_partial = tl.sum(b_grad * b_inner, axis=1)  # columns past F are zero in both
    tl.store(p_grad_weight + tl.program_id(1).to(tl.int64) * rows + i_m, b_partial, mask=i_m < end)
    i_k = i_choice - i_token * choices
    b_weight = tl.load(p_weight + i_token * s_wn + i_k * s_wk, mask=i_m < end, other=0.0).to(tl.float32)[:, None]
    b_grad *= b_weight
    b_grad_gate = b_grad * b_up * (b_sigmoid + b_active * (1 - b_sigmoid))
    i_out, out = i_m[:, None] * F + i_f[None, :], in_m & in_f
    tl.store(p_inner + i_out, (b_inner * b_weight).to(p_inner.dtype.element_ty), mask=out)
    tl.store(p_grad_gate + i_out, b_grad_gate.to(p_grad_gate.dtype.element_ty), mask=out)
    tl.store(p_grad_up + i_out, (b_grad * b_active).to(p_grad_up.dtype.element_ty), mask=out)


@triton.jit
def _product_kernel(
    p_a, p_w, s_we, s_wc, s_wr, p_a2, p_w2, s_we2, s_wc2, s_wr2, p_begins, p_out, experts, C, R,
    TWO: tl.constexpr, b_M: tl.constexpr, b_C: tl.constexpr, b_R: tl.constexpr, b_E: tl.constexpr,
):  # fmt: skip
    """out[m, c] = w[e, c] . a[m], and if TWO + w2[e, c] . a2[m], one (b_M, b_C) tile."""
    i_e, row, end = tile_of(p_begins, tl.program_id(0), experts, b_M, b_E)
    if i_e >= experts:
        return
    i_m = row + tl.arange(0, b_M).to(tl.int64)
    i_c = tl.program_id(1) * b_C + tl.arange(0, b_C).to(tl.int64)
    in_m, in_c = (i_m < end)[:, None], (i_c < C)[None, :]
    p_w += i_e.to(tl.int64) * s_we
    p_w2 += i_e.to(tl.int64) * s_we2
    b_out = tl.zeros((b_M, b_C), dtype=tl.float32)
    for start in range(0, R, b_R):
        i_r = start + tl.arange(0, b_R).to(tl.int64)
        in_a, in_w = in_m & (i_r < R)[None, :], (i_r < R)[:, None] & in_c
        i_a = i_m[:, None] * R + i_r[None, :]
        b_a = tl.load(p_a + i_a, mask=in_a, other=0.0)
        b_w = tl.load(p_w + i_r[:, None] * s_wr + i_c[None, :] * s_wc, mask=in_w, other=0.0)
        b_out = tl.dot(b_a, b_w, b_out, input_precision="ieee")
        if TWO:
            b_a2 = tl.load(p_a2 + i_a, mask=in_a, other=0.0)
            b_w2 = tl.load(p_w2 + i_r[:, None] * s_wr2 + i_c[None, :] * s_wc2, mask=in_w, other=0.0)
            b_out = tl.dot(b_a2, b_w2, b_out, input_precision="ieee")
    tl.store(p_out + i_m[:, None] * C + i_c[None, :], b_out.to(p_out.dtype.element_ty), mask=in_m & in_c)


@triton.jit
def _weight_gradient_kernel(
    p_a, s_am, s_ai, p_b, s_bm, s_bj, p_order, p_begins, p_out, choices, rows, columns,
    A_BY_TOKEN: tl.constexpr, b_C: tl.constexpr, b_R: tl.constexpr,
):  # fmt: skip
    """out[e, i, j] = sum over the rows m of the expert of a[m, i] b[m, j]: zero where it has none.

    One of the two is read by the token of a row, the other by the row itself.
    """
    i_e = tl.program_id(2)
    i_i = tl.program_id(0) * b_C + tl.arange(0, b_C).to(tl.int64)
    i_j = tl.program_id(1) * b_C + tl.arange(0, b_C).to(tl.int64)
    begin, end = tl.load(p_begins + i_e), tl.load(p_begins + i_e + 1)
    b_out = tl.zeros((b_C, b_C), dtype=tl.float32)
    for start in range(begin, end, b_R):
        i_m = start + tl.arange(0, b_R).to(tl.int64)
        in_m = i_m < end
        i_token = tl.load(p_order + i_m, mask=in_m, other=0) // choices
        i_a, i_b = (i_token, i_m) if A_BY_TOKEN else (i_m, i_token)
        in_a, in_b = in_m[None, :] & (i_i < rows)[:, None], in_m[:, None] & (i_j < columns)[None, :]
        b_a = tl.load(p_a + i_a[None, :] * s_am + i_i[:, None] * s_ai, mask=in_a, other=0.0)
        b_b = tl.load(p_b + i_b[:, None] * s_bm + i_j[None, :] * s_bj, mask=in_b, other=0.0)
        b_out = tl.dot(b_a, b_b, b_out, input_precision="ieee")
    p_out += i_e.to(tl.int64) * rows * columns
    inside = (i_i < rows)[:, None] & (i_j < columns)[None, :]
    tl.store(p_out + i_i[:, None] * columns + i_j[None, :], b_out.to(p_out.dtype.element_ty), mask=inside)


@triton.jit
def _sum_kernel(
    p_packed, p_place, p_weight, s_wn, s_wk, p_chosen, s_cn, s_ck, p_y, tokens, experts, choices, D,
    WEIGHTED: tl.constexpr, b_N: tl.constexpr, b_C: tl.constexpr,
):  # fmt: skip
    """y[n] = sum over k of weight[n, k] * packed[place[n, k]], in the order of k. One (b_N, b_C) tile.

    An expert that there is not makes it NaN: refusing would wait for the device, and its row was never written.
    """
    i_n = tl.program_id(0) * b_N + tl.arange(0, b_N).to(tl.int64)
    i_d = tl.program_id(1) * b_C + tl.arange(0, b_C)
    in_n = i_n < tokens
    inside = in_n[:, None] & (i_d < D)[None, :]
    b_y = tl.zeros((b_N, b_C), dtype=tl.float32)
    for k in range(0, choices):
        i_m = tl.load(p_place + i_n * choices + k, mask=in_n, other=0)
        i_e = tl.load(p_chosen + i_n * s_cn + k * s_ck, mask=in_n, other=0)
        b_row = tl.load(p_packed + i_m[:, None] * D + i_d[None, :], mask=inside, other=0.0).to(tl.float32)
        if WEIGHTED:
            b_row *= tl.load(p_weight + i_n * s_wn + k * s_wk, mask=in_n, other=0.0).to(tl.float32)[:, None]
        b_y += tl.where(((i_e >= 0) & (i_e < experts))[:, None], b_row, float("nan"))
    tl.store(p_y + i_n[:, None] * D + i_d[None, :], b_y.to(p_y.dtype.element_ty), mask=inside)


def forward(
    config: Config, x_ND: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor, groups: Grouped, choices: int
) -> Tensor:
    """What the experts say, unweighted, in the order of the experts: (M, D)."""
    experts, inner_size, width = gate_EFD.shape
    rows = len(groups.order_M)
    inner_MF = torch.empty(rows, inner_size, dtype=x_ND.dtype, device=x_ND.device)
    _inner_kernel[_grid(config, rows, experts, inner_size)](
        x_ND, *x_ND.stride(), gate_EFD, *gate_EFD.stride(), up_EFD, *up_EFD.stride(), *groups, inner_MF,
        experts, choices, width, inner_size, b_E=_power_of_2(experts), **config,
    )  # fmt: skip
    return _product(config, groups, (inner_MF, down_EDF))


def backward(
    config: Config,
    grad_y_ND: Tensor,
    x_ND: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
    weight_NK: Tensor,
    groups: Grouped,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x and weight in the order of the experts, (M, D) and (M,), and between them gate, up and down."""
    (experts, inner_size, width), choices = gate_EFD.shape, weight_NK.shape[1]
    rows = len(groups.order_M)
    inner_MF, grad_gate_MF, grad_up_MF = (
        torch.empty(rows, inner_size, dtype=x_ND.dtype, device=x_ND.device) for _ in range(3)
    )
    grid = _grid(config, rows, experts, inner_size)
    # Rows of an expert that there is not stay what they are here.
    partial_TM = torch.full((grid[1], rows), torch.nan, dtype=torch.float32, device=x_ND.device)
    _inner_gradient_kernel[grid](
        x_ND, *x_ND.stride(), grad_y_ND, *grad_y_ND.stride(),
        gate_EFD, *gate_EFD.stride(), up_EFD, *up_EFD.stride(), down_EDF, *down_EDF.stride(),
        weight_NK, *weight_NK.stride(), *groups, inner_MF, grad_gate_MF, grad_up_MF, partial_TM,
        experts, choices, rows, width, inner_size, b_E=_power_of_2(experts), **config,
    )  # fmt: skip
    grad_gate_EFD = _weight_gradient(config, groups, choices, grad_gate_MF, x_ND, gate_EFD)
    grad_up_EFD = _weight_gradient(config, groups, choices, grad_up_MF, x_ND, up_EFD)
    grad_down_EDF = _weight_gradient(config, groups, choices, grad_y_ND, inner_MF, down_EDF, a_by_token=True)
    grad_x_MD = _product(config, groups, (grad_gate_MF, gate_EFD.mT), (grad_up_MF, up_EFD.mT))
    return grad_x_MD, grad_gate_EFD, grad_up_EFD, grad_down_EDF, partial_TM.sum(dim=0)


def add_up(
    packed_MD: Tensor, place_M: Tensor, weight_NK: Tensor | None, chosen_NK: Tensor, experts: int, out_ND: Tensor
) -> None:
    """Write the sum over a token's choices of the packed rows, weighted if weights are given."""
    (tokens, choices), width = chosen_NK.shape, out_ND.shape[1]
    weight = chosen_NK if weight_NK is None else weight_NK
    grid = (triton.cdiv(tokens, SUM_TOKENS), triton.cdiv(width, SUM_COLUMNS))
    _sum_kernel[grid](
        packed_MD, place_M, weight, *weight.stride(), chosen_NK, *chosen_NK.stride(), out_ND,
        tokens, experts, choices, width, WEIGHTED=weight_NK is not None, b_N=SUM_TOKENS, b_C=SUM_COLUMNS,
    )  # fmt: skip


def _product(config: Config, groups: Grouped, *pairs: tuple[Tensor, Tensor]) -> Tensor:
    """The sum over one or two pairs of a (M, R) times w (E, C, R): (M, C)."""
    (a_MR, w_ECR), (a2_MR, w2_ECR) = pairs[0], pairs[-1]
    experts, columns, reduced = w_ECR.shape
    out_MC = torch.empty(len(a_MR), columns, dtype=a_MR.dtype, device=a_MR.device)
    _product_kernel[_grid(config, len(a_MR), experts, columns)](
        a_MR, w_ECR, *w_ECR.stride(), a2_MR, w2_ECR, *w2_ECR.stride(), groups.begins_G1, out_MC,
        experts, columns, reduced, TWO=len(pairs) == 2, b_E=_power_of_2(experts), **config,
    )  # fmt: skip
    return out_MC


def _weight_gradient(
    config: Config, groups: Grouped, choices: int, a: Tensor, b: Tensor, like: Tensor, a_by_token: bool = False
) -> Tensor:
    """(E, I, J) of a (M, I) and b by token (N, J), or of a by token (N, I) and b (M, J)."""
    out_EIJ = torch.empty(like.shape, dtype=like.dtype, device=like.device)
    experts, rows, columns = like.shape
    block = config["b_C"]
    _weight_gradient_kernel[triton.cdiv(rows, block), triton.cdiv(columns, block), experts](
        a, *a.stride(), b, *b.stride(), *groups, out_EIJ, choices, rows, columns,
        A_BY_TOKEN=a_by_token, **{name: value for name, value in config.items() if name != "b_M"},
    )  # fmt: skip
    return out_EIJ


def _grid(config: Config, rows: int, experts: int, columns: int) -> tuple[int, int]:
    return most_tiles(rows, experts, config["b_M"]), triton.cdiv(columns, config["b_C"])


def _power_of_2(experts: int) -> int:
    return max(2, triton.next_power_of_2(experts))
