"""The Triton kernel of the weight's gradient: grad[d, o] = sum over tokens n that have d's group of x[n, d] a[n, o].

N tokens, D width cut into G groups of S columns, O columns of the other side, H shared groups, A = H + K per token.

x may be scaled by the multipliers of its groups. A program owns a tile of the columns of one group (or of several small
shared ones) and goes through the tokens that have it, all of them or the sorted ones. Where there are too few tiles to
fill a device, several programs share the tokens of a tile, and what they found is added up in their order.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..grouping import Grouped
from ..tuning import Config, bucket
from .tuned import LEAST_BLOCK, Regimes, group_block

# Programs that fill a device twice, and the least rows that one of those that share a tile should have.
ENOUGH_PROGRAMS, LEAST_ROWS = (64, 16) if triton.knobs.runtime.interpret else (256, 256)
MOST_SPLITS = 16

_MANY: tuple[Config, ...] = (
    {"b_C": 128, "b_O": 128, "b_K": 64, "num_warps": 8, "num_stages": 3},
    {"b_C": 128, "b_O": 256, "b_K": 64, "num_warps": 8, "num_stages": 3},
    {"b_C": 64, "b_O": 256, "b_K": 64, "num_warps": 4, "num_stages": 3},
    {"b_C": 64, "b_O": 128, "b_K": 64, "num_warps": 4, "num_stages": 4},
    {"b_C": 64, "b_O": 64, "b_K": 64, "num_warps": 4, "num_stages": 4},
)
WEIGHT = Regimes(
    "mohd_weight_gradient",
    interpreted={"b_C": 32, "b_O": 32, "b_K": 16},
    few=({"b_C": 64, "b_O": 64, "b_K": 16, "num_warps": 4, "num_stages": 2}, *_MANY),
    many=_MANY,
    float32=(
        {"b_C": 64, "b_O": 64, "b_K": 16, "num_warps": 8, "num_stages": 2},
        {"b_C": 64, "b_O": 128, "b_K": 16, "num_warps": 8, "num_stages": 2},
        {"b_C": 32, "b_O": 64, "b_K": 32, "num_warps": 4, "num_stages": 2},
    ),
)


@triton.jit
def _tile(
    p_x, p_a, p_multiplier, p_order, p_grad, begin, end, i_group, groups, i_part, size, i_o, in_O, shared, choices,
    x_stride_N, x_stride_D, a_stride_N, a_stride_O, m_stride_N, m_stride_A, grad_stride_D, grad_stride_O,
    ROUTED: tl.constexpr, SCALED: tl.constexpr, b_C: tl.constexpr, b_O: tl.constexpr, b_K: tl.constexpr,
    b_S: tl.constexpr,
):  # fmt: skip
    """Rows from begin to end, b_K at a time: their products with a part of one group, or with several small ones."""
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
    b_grad = tl.zeros((b_C, b_O), dtype=tl.float32)
    for i_start in range(begin, end, b_K):
        i_row = i_start + tl.arange(0, b_K)
        in_K = i_row < end
        if ROUTED:
            b_choice = tl.load(p_order + i_row, mask=in_K, other=0)
            b_t = b_choice // choices
        else:
            b_t = i_row.to(tl.int64)
        mask = in_C[:, None] & in_K[None, :]
        b_x = tl.load(p_x + i_d[:, None] * x_stride_D + b_t[None, :] * x_stride_N, mask=mask, other=0.0)
        b_a = tl.load(
            p_a + b_t[:, None] * a_stride_N + i_o[None, :] * a_stride_O, mask=in_K[:, None] & in_O[None, :], other=0.0
        )
        if SCALED:
            p_m = p_multiplier + b_t * m_stride_N
            if ROUTED:
                b_m = tl.load(p_m + (shared + b_choice % choices) * m_stride_A, mask=in_K, other=0.0)[None, :]
            elif SEVERAL == 1:
                b_m = tl.load(p_m + i_group * m_stride_A, mask=in_K, other=0.0)[None, :]
            else:
                b_m = tl.load(p_m[None, :] + (i_group + i_c // b_S)[:, None] * m_stride_A, mask=mask, other=0.0)
            b_x = (b_x.to(tl.float32) * b_m.to(tl.float32)).to(b_a.dtype)
        b_grad = tl.dot(b_x, b_a, b_grad, input_precision="ieee")
    p_grad += i_d[:, None] * grad_stride_D + i_o[None, :] * grad_stride_O
    tl.store(p_grad, b_grad.to(p_grad.dtype.element_ty), mask=in_C[:, None] & in_O[None, :])


@triton.jit
def _weight_kernel(
    p_x, p_a, p_multiplier, p_order, p_begins, p_grad, tokens, outputs, shared, choices, size, shared_groups,
    shared_size, shared_tiles, x_stride_N, x_stride_D, a_stride_N, a_stride_O, m_stride_N, m_stride_A,
    grad_stride_P, grad_stride_D, grad_stride_O, SPLITS: tl.constexpr, SCALED: tl.constexpr, b_C: tl.constexpr,
    b_O: tl.constexpr, b_K: tl.constexpr, b_S: tl.constexpr, b_SHARED: tl.constexpr,
):  # fmt: skip
    """A tile of the gradient, or of what one of SPLITS equal parts of its rows adds to it."""
    i_tile, i_split = tl.program_id(1), tl.program_id(2)
    i_o = (tl.program_id(0) * b_O + tl.arange(0, b_O)).to(tl.int64)
    in_O = i_o < outputs
    p_grad += i_split.to(tl.int64) * grad_stride_P
    if i_tile < shared_tiles:
        parts = tl.cdiv(shared_size, b_SHARED)
        i_group = i_tile // parts * (b_C // b_SHARED)
        rows = tl.cdiv(tokens, SPLITS)
        begin = i_split * rows
        _tile(
            p_x, p_a, p_multiplier, p_order, p_grad, begin, tl.minimum(begin + rows, tokens), i_group, shared_groups,
            i_tile % parts, shared_size, i_o, in_O, shared, choices,
            x_stride_N, x_stride_D, a_stride_N, a_stride_O, m_stride_N, m_stride_A, grad_stride_D, grad_stride_O,
            ROUTED=False, SCALED=SCALED, b_C=b_C, b_O=b_O, b_K=b_K, b_S=b_SHARED,
        )  # fmt: skip
    else:
        parts = tl.cdiv(size, b_S)
        i_group = shared + (i_tile - shared_tiles) // parts
        first, last = tl.load(p_begins + i_group), tl.load(p_begins + i_group + 1)
        rows = tl.cdiv(last - first, SPLITS)
        begin = first + i_split * rows
        _tile(
            p_x, p_a, p_multiplier, p_order, p_grad, begin, tl.minimum(begin + rows, last), i_group, i_group + 1,
            (i_tile - shared_tiles) % parts, size, i_o, in_O, shared, choices,
            x_stride_N, x_stride_D, a_stride_N, a_stride_O, m_stride_N, m_stride_A, grad_stride_D, grad_stride_O,
            ROUTED=True, SCALED=SCALED, b_C=b_S, b_O=b_O, b_K=b_K, b_S=b_S,
        )  # fmt: skip


def launch_weight_gradient(
    x_ND: Tensor,
    a_NO: Tensor,
    multiplier_NA: Tensor | None,
    choices: int,
    by_group: Grouped,
    shared: int,
    group_size: int,
    transposed: bool,
) -> Tensor:
    """(D, O), or (O, D) where `transposed`; zero in the groups that no token chose."""
    (tokens, width), outputs = x_ND.shape, a_NO.shape[1]
    shape = (outputs, width) if transposed else (width, outputs)
    if tokens * width * outputs == 0:
        return torch.zeros(shape, dtype=x_ND.dtype, device=x_ND.device)
    scaled = multiplier_NA is not None
    shared_groups, shared_size = (shared, group_size) if scaled else (1, shared * group_size)
    # A configuration leaves the gradient, or, in float32, what each part of the rows adds to it.
    partial: list[Tensor] = []

    def run(config: Config) -> None:
        b_C, b_O = config["b_C"], config["b_O"]
        b_S, b_SHARED = max(LEAST_BLOCK, group_block(group_size, b_C)), group_block(shared_size, b_C)
        shared_tiles = triton.cdiv(shared_groups, b_C // b_SHARED) * triton.cdiv(shared_size, b_SHARED)
        tiles = shared_tiles + (width // group_size - shared) * triton.cdiv(group_size, b_S)
        tiles_O = triton.cdiv(outputs, b_O)
        splits = max(1, min(ENOUGH_PROGRAMS // (tiles * tiles_O), triton.cdiv(tokens, LEAST_ROWS), MOST_SPLITS))
        dtype = x_ND.dtype if splits == 1 else torch.float32
        grad = torch.empty(splits, *shape, dtype=dtype, device=x_ND.device)
        partial[:] = [grad]
        stride_P, stride_D, stride_O = grad.stride() if not transposed else grad.transpose(1, 2).stride()
        _weight_kernel[(tiles_O, tiles, splits)](
            x_ND, a_NO, multiplier_NA if scaled else x_ND, by_group.order_M, by_group.begins_G1, grad, tokens,
            outputs, shared, choices, group_size, shared_groups, shared_size, shared_tiles, *x_ND.stride(),
            *a_NO.stride(), *((0, 0) if multiplier_NA is None else multiplier_NA.stride()), stride_P, stride_D,
            stride_O, SPLITS=splits, SCALED=scaled, b_S=b_S, b_SHARED=b_SHARED, **config,
        )  # fmt: skip

    key = (bucket(tokens), bucket(outputs), bucket(width), bucket(group_size), x_ND.dtype, scaled)
    WEIGHT.of(tokens, x_ND.dtype).launch(run, x_ND.device, *key)
    grad = partial[0]
    return grad[0] if len(grad) == 1 else grad.sum(dim=0).to(x_ND.dtype)
