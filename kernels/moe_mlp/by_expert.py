"""The experts one after the other, each on the tokens that chose it: the way of a CPU, which must know their counts.

N tokens, D width, E experts, F inner size of an expert, K experts per token, M = N K choices.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_ROWS = 4


def forward(
    x_ND: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor, weight_NK: Tensor, chosen_NK: Tensor
) -> Tensor:
    order_M, segments = sort_by_expert(chosen_NK, len(gate_EFD))
    token_M, weight_M1 = order_M // max(1, chosen_NK.shape[1]), weight_NK.flatten()[order_M].unsqueeze(1)
    y_ND = x_ND.new_zeros(x_ND.shape)
    for expert, part in segments:
        x = x_ND.index_select(0, token_M[part])
        x = enough_rows(x, len(x_ND))
        inner = F.silu(F.linear(x, gate_EFD[expert])) * F.linear(x, up_EFD[expert])
        y = F.linear(inner, down_EDF[expert])[: part.stop - part.start]
        y_ND.index_add_(0, token_M[part], y * weight_M1[part])
    return y_ND


def backward(
    grad_y_ND: Tensor,
    x_ND: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
    weight_NK: Tensor,
    chosen_NK: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    order_M, segments = sort_by_expert(chosen_NK, len(gate_EFD))
    token_M = order_M // max(1, chosen_NK.shape[1])
    weight_M1 = weight_NK.flatten()[order_M].unsqueeze(1)
    grad_x_ND, grad_weight_M = x_ND.new_zeros(x_ND.shape), torch.empty_like(weight_M1[:, 0])
    grad_gate_EFD, grad_up_EFD = gate_EFD.new_zeros(gate_EFD.shape), up_EFD.new_zeros(up_EFD.shape)
    grad_down_EDF = down_EDF.new_zeros(down_EDF.shape)
    for expert, part in segments:
        token, weight = token_M[part], weight_M1[part]
        x, grad_y = x_ND.index_select(0, token), grad_y_ND.index_select(0, token)
        gate, up = F.linear(x, gate_EFD[expert]), F.linear(x, up_EFD[expert])
        inner, grad_gate, grad_up, grad_weight_M[part] = inner_gradients(gate, up, grad_y @ down_EDF[expert], weight)
        torch.mm(grad_y.T, inner, out=grad_down_EDF[expert])
        torch.mm(grad_gate.T, x, out=grad_gate_EFD[expert])
        torch.mm(grad_up.T, x, out=grad_up_EFD[expert])
        grad_x_ND.index_add_(0, token, torch.addmm(grad_gate @ gate_EFD[expert], grad_up, up_EFD[expert]))
    grad_weight_NK = torch.empty_like(grad_weight_M)
    grad_weight_NK[order_M] = grad_weight_M
    return grad_x_ND, grad_gate_EFD, grad_up_EFD, grad_down_EDF, grad_weight_NK.view(weight_NK.shape)


def inner_gradients(
    gate: Tensor, up: Tensor, grad_inner: Tensor, weight_M1: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The weighted inner activations, and the gradients of gate, up and weight; writes over `grad_inner`."""
    active = F.silu(gate)
    inner = active * up
    grad_weight_M = (grad_inner * inner).sum(dim=1)
    grad_inner *= weight_M1
    grad_gate = torch.ops.aten.silu_backward(up * grad_inner, gate)
    return inner * weight_M1, grad_gate, grad_inner * active, grad_weight_M


def sort_by_expert(chosen_NK: Tensor, experts: int) -> tuple[Tensor, list[tuple[int, slice]]]:
    """The choices n K + k in the order of their experts, and the part of that order that each chosen expert has.

    A token chooses an expert once, so adding a part to its tokens' rows never collides: the same bits every time.
    """
    chosen_M = chosen_NK.flatten()
    order_M = chosen_M.argsort(stable=True)
    return order_M, list(_segments(chosen_M.bincount(minlength=experts).tolist()))


def enough_rows(x: Tensor, tokens: int) -> Tensor:
    """Rows of zeros added to a short part of many tokens.

    A BLAS multiplies a few rows in another order than many. With as many as this, and an inner size that fills whole
    vectors, what an expert tells a token does not depend on how many others chose it, to the bit.
    """
    return F.pad(x, (0, 0, 0, LEAST_ROWS - len(x))) if len(x) < LEAST_ROWS <= tokens else x


def _segments(counts: list[int]) -> Iterator[tuple[int, slice]]:
    start = 0
    for expert, count in enumerate(counts):
        if count:
            yield expert, slice(start, start + count)
        start += count
