"""Mixture of SwiGLU experts: y[n] = sum over k of weight[n, k] * expert[chosen[n, k]](x[n]), no token dropped.

N tokens, D width, E experts, F inner size of an expert, K experts per token, M = N K choices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

LEAST_ROWS = 4


def moe_mlp_reference(
    x_ND: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor, weight_NK: Tensor, chosen_NK: Tensor
) -> Tensor:
    """Every expert on the tokens that chose it, weighted and added up."""
    y_ND = torch.zeros_like(x_ND)
    for expert in range(len(gate_EFD)):
        token, place = (chosen_NK == expert).nonzero(as_tuple=True)
        x = x_ND[token]
        inner = F.silu(F.linear(x, gate_EFD[expert])) * F.linear(x, up_EFD[expert])
        y = F.linear(inner, down_EDF[expert]) * weight_NK[token, place].unsqueeze(1)
        y_ND = y_ND.index_add(0, token, y.to(y_ND.dtype))
    return y_ND


@torch.library.custom_op("frontier::moe_mlp", mutates_args=())
def _experts(
    x_ND: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor, weight_NK: Tensor, chosen_NK: Tensor
) -> Tensor:
    order_M, segments = sort_by_expert(chosen_NK, len(gate_EFD))
    token_M, weight_M1 = order_M // chosen_NK.shape[1], weight_NK.flatten()[order_M].unsqueeze(1)
    y_ND = x_ND.new_zeros(x_ND.shape)
    for expert, part in segments:
        x = x_ND.index_select(0, token_M[part])
        x = enough_rows(x, len(x_ND))
        inner = F.silu(F.linear(x, gate_EFD[expert])) * F.linear(x, up_EFD[expert])
        y = F.linear(inner, down_EDF[expert])[: part.stop - part.start]
        y_ND.index_add_(0, token_M[part], y * weight_M1[part])
    return y_ND


@_experts.register_fake
def _(x_ND: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor, weight_NK: Tensor, chosen_NK: Tensor) -> Tensor:
    return x_ND.new_empty(x_ND.shape)


@torch.library.custom_op("frontier::moe_mlp_backward", mutates_args=())
def _experts_backward(
    grad_y_ND: Tensor,
    x_ND: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
    weight_NK: Tensor,
    chosen_NK: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, gate, up, down and weight. The inner activations are computed again instead of kept."""
    order_M, segments = sort_by_expert(chosen_NK, len(gate_EFD))
    token_M = order_M // chosen_NK.shape[1]
    weight_M1 = weight_NK.flatten()[order_M].unsqueeze(1)
    grad_x_ND, grad_weight_M = x_ND.new_zeros(x_ND.shape), torch.empty_like(weight_M1[:, 0])
    grad_gate_EFD, grad_up_EFD = gate_EFD.new_zeros(gate_EFD.shape), up_EFD.new_zeros(up_EFD.shape)
    grad_down_EDF = down_EDF.new_zeros(down_EDF.shape)
    for expert, part in segments:
        token, weight = token_M[part], weight_M1[part]
        x, grad_y = x_ND.index_select(0, token), grad_y_ND.index_select(0, token)
        gate, up = F.linear(x, gate_EFD[expert]), F.linear(x, up_EFD[expert])
        sigmoid = gate.sigmoid()
        active = gate * sigmoid
        inner = active * up
        grad_inner = grad_y @ down_EDF[expert]
        grad_weight_M[part] = (grad_inner * inner).sum(dim=1)
        grad_inner *= weight
        torch.mm(grad_y.T, inner * weight, out=grad_down_EDF[expert])
        grad_up = grad_inner * active
        grad_gate = grad_inner * up * (sigmoid + active * (1 - sigmoid))
        torch.mm(grad_gate.T, x, out=grad_gate_EFD[expert])
        torch.mm(grad_up.T, x, out=grad_up_EFD[expert])
        grad_x_ND.index_add_(0, token, torch.addmm(grad_gate @ gate_EFD[expert], grad_up, up_EFD[expert]))
    grad_weight_NK = torch.empty_like(grad_weight_M)
    grad_weight_NK[order_M] = grad_weight_M
    return grad_x_ND, grad_gate_EFD, grad_up_EFD, grad_down_EDF, grad_weight_NK.view(weight_NK.shape)


@_experts_backward.register_fake
def _(
    grad_y_ND: Tensor,
    x_ND: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
    weight_NK: Tensor,
    chosen_NK: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    x, gate, up, down, weight = (t.new_empty(t.shape) for t in (x_ND, gate_EFD, up_EFD, down_EDF, weight_NK))
    return x, gate, up, down, weight


def _save_inputs(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad_y_ND: Tensor) -> tuple[Tensor | None, ...]:
    return (*torch.ops.frontier.moe_mlp_backward(grad_y_ND, *ctx.saved_tensors), None)


_experts.register_autograd(_backward, setup_context=_save_inputs)
for _device in ("cpu", "cuda"):
    _experts.register_autocast(_device, torch.bfloat16)


@register_flop_formula(torch.ops.frontier.moe_mlp)
def _flops(x_shape: list[int], gate_shape: list[int], *args: Any, **kwargs: Any) -> int:
    chosen_shape = args[3]
    return 2 * chosen_shape[0] * chosen_shape[1] * 3 * gate_shape[1] * gate_shape[2]


@register_flop_formula(torch.ops.frontier.moe_mlp_backward)
def _backward_flops(grad_shape: list[int], x_shape: list[int], gate_shape: list[int], *args: Any, **kwargs: Any) -> int:
    chosen_shape = args[3]
    return 2 * chosen_shape[0] * chosen_shape[1] * 8 * gate_shape[1] * gate_shape[2]


def moe_mlp(
    x_ND: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor, weight_NK: Tensor, chosen_NK: Tensor
) -> Tensor:
    """Send every token through its K experts and add up what they say, weighted, (N, D).

    Raises:
        ValueError: the shapes do not fit together.
    """
    tokens, width = x_ND.shape
    experts, inner, _ = gate_EFD.shape
    if (
        gate_EFD.shape != (experts, inner, width)
        or up_EFD.shape != gate_EFD.shape
        or down_EDF.shape != (experts, width, inner)
        or weight_NK.shape != chosen_NK.shape
        or len(chosen_NK) != tokens
    ):
        shapes = ", ".join(str(tuple(t.shape)) for t in (x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK))
        raise ValueError(
            f"moe_mlp takes x (N, D), gate and up (E, F, D), down (E, D, F), weight and chosen (N, K); got {shapes}"
        )
    return torch.ops.frontier.moe_mlp(x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK)


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
