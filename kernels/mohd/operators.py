"""Linear maps that read or write only some groups of the hidden dimension (MoHD), as operators of torch.

N tokens, D width cut into G groups of S columns, O columns on the module's side, H shared groups (the first ones, used
by every token), K routed groups per token, A = H + K.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from ..launching import by_triton, same_place
from .by_torch import Ways, by_torch
from .by_triton import DTYPES, ByTriton


def _ways(x: Tensor, chosen_NK: Tensor, width: int, columns: int, shared: int, group_size: int) -> Ways:
    if by_triton(x) and x.dtype in DTYPES:
        return ByTriton(chosen_NK, width // group_size, shared, group_size)
    return by_torch(chosen_NK, width, columns, shared, group_size)


@torch.library.custom_op("frontier::mohd_read", mutates_args=())
def _read(
    u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor, chosen_NK: Tensor, shared: int, group_size: int
) -> Tensor:
    same_place("mohd_read", u=u_ND, weight=weight_OD, multiplier=multiplier_NA, chosen=chosen_NK)
    ways = _ways(u_ND, chosen_NK, u_ND.shape[1], len(weight_OD), shared, group_size)
    return ways.read(u_ND, weight_OD, multiplier_NA)


@_read.register_fake
def _(
    u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor, chosen_NK: Tensor, shared: int, group_size: int
) -> Tensor:
    return u_ND.new_empty(len(u_ND), len(weight_OD))


@torch.library.custom_op("frontier::mohd_read_backward", mutates_args=())
def _read_backward(
    grad_h_NO: Tensor,
    u_ND: Tensor,
    weight_OD: Tensor,
    multiplier_NA: Tensor,
    chosen_NK: Tensor,
    shared: int,
    group_size: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of u, weight and multiplier."""
    ways = _ways(u_ND, chosen_NK, u_ND.shape[1], len(weight_OD), shared, group_size)
    return ways.read_backward(grad_h_NO, u_ND, weight_OD, multiplier_NA)


@_read_backward.register_fake
def _(
    grad_h_NO: Tensor,
    u_ND: Tensor,
    weight_OD: Tensor,
    multiplier_NA: Tensor,
    chosen_NK: Tensor,
    shared: int,
    group_size: int,
) -> tuple[Tensor, Tensor, Tensor]:
    u, weight, multiplier = (tensor.new_empty(tensor.shape) for tensor in (u_ND, weight_OD, multiplier_NA))
    return u, weight, multiplier


@torch.library.custom_op("frontier::mohd_write", mutates_args=())
def _write(a_NO: Tensor, weight_DO: Tensor, chosen_NK: Tensor, shared: int, group_size: int) -> Tensor:
    same_place("mohd_write", a=a_NO, weight=weight_DO, chosen=chosen_NK)
    return _ways(a_NO, chosen_NK, len(weight_DO), a_NO.shape[1], shared, group_size).write(a_NO, weight_DO)


@_write.register_fake
def _(a_NO: Tensor, weight_DO: Tensor, chosen_NK: Tensor, shared: int, group_size: int) -> Tensor:
    return a_NO.new_empty(len(a_NO), len(weight_DO))


@torch.library.custom_op("frontier::mohd_write_backward", mutates_args=())
def _write_backward(
    grad_y_ND: Tensor, a_NO: Tensor, weight_DO: Tensor, chosen_NK: Tensor, shared: int, group_size: int
) -> tuple[Tensor, Tensor]:
    """Gradients of a and weight."""
    ways = _ways(a_NO, chosen_NK, len(weight_DO), a_NO.shape[1], shared, group_size)
    return ways.write_backward(grad_y_ND, a_NO, weight_DO)


@_write_backward.register_fake
def _(
    grad_y_ND: Tensor, a_NO: Tensor, weight_DO: Tensor, chosen_NK: Tensor, shared: int, group_size: int
) -> tuple[Tensor, Tensor]:
    return a_NO.new_empty(a_NO.shape), weight_DO.new_empty(weight_DO.shape)


def _save_read(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.groups = inputs[4:]


def _backward_of_read(ctx: Any, grad_h_NO: Tensor) -> tuple[Tensor | None, ...]:
    gradients = torch.ops.frontier.mohd_read_backward(grad_h_NO, *ctx.saved_tensors, *ctx.groups)
    return (*gradients, None, None, None)


def _save_write(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.groups = inputs[3:]


def _backward_of_write(ctx: Any, grad_y_ND: Tensor) -> tuple[Tensor | None, ...]:
    gradients = torch.ops.frontier.mohd_write_backward(grad_y_ND, *ctx.saved_tensors, *ctx.groups)
    return (*gradients, None, None, None)


_read.register_autograd(_backward_of_read, setup_context=_save_read)
_write.register_autograd(_backward_of_write, setup_context=_save_write)
for _device in ("cpu", "cuda"):
    _read.register_autocast(_device, torch.bfloat16)
    _write.register_autocast(_device, torch.bfloat16)


def _product_flops(tokens: int, columns: int, active: int, group_size: int) -> int:
    return 2 * tokens * columns * active * group_size


@register_flop_formula(torch.ops.frontier.mohd_read)
def _read_flops(
    u: list[int], weight: list[int], multiplier: list[int], chosen: list[int], shared: int, size: int, **kwargs: Any
) -> int:
    return _product_flops(u[0], weight[0], shared + chosen[1], size)


@register_flop_formula(torch.ops.frontier.mohd_read_backward)
def _read_backward_flops(grad_shape: list[int], *args: Any, **kwargs: Any) -> int:
    return 2 * _read_flops(*args)


@register_flop_formula(torch.ops.frontier.mohd_write)
def _write_flops(a: list[int], weight: list[int], chosen: list[int], shared: int, size: int, **kwargs: Any) -> int:
    return _product_flops(a[0], a[1], shared + chosen[1], size)


@register_flop_formula(torch.ops.frontier.mohd_write_backward)
def _write_backward_flops(grad_shape: list[int], *args: Any, **kwargs: Any) -> int:
    return 2 * _write_flops(*args)


def mohd_read(
    u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor, chosen_NK: Tensor, shared: int, group_size: int
) -> Tensor:
    """Read a token's groups: the sum over them of multiplier * u[group] @ weight[:, group].T, (N, O).

    Args:
        multiplier_NA: first those of the `shared` groups, then those of the chosen.
        chosen_NK: int64, different from each other and from the shared.

    Raises:
        ValueError: the shapes do not fit together, or the operands have several dtypes or devices.
    """
    _check(
        u_ND.shape[1:] == weight_OD.shape[1:] and multiplier_NA.shape == (len(u_ND), shared + chosen_NK.shape[1]),
        "mohd_read takes u (N, D), weight (O, D), multiplier (N, shared + K)",
        (u_ND, weight_OD, multiplier_NA, chosen_NK),
        u_ND.shape[1],
        (shared, group_size),
    )
    return torch.ops.frontier.mohd_read(u_ND, weight_OD, multiplier_NA, chosen_NK, shared, group_size)


def mohd_write(a_NO: Tensor, weight_DO: Tensor, chosen_NK: Tensor, shared: int, group_size: int) -> Tensor:
    """Write a token's groups: a @ weight[group].T in their columns, zero in all others, (N, D).

    Args:
        chosen_NK: int64, different from each other and from the shared.

    Raises:
        ValueError: the shapes do not fit together, or the operands have several dtypes or devices.
    """
    _check(
        a_NO.shape[1:] == weight_DO.shape[1:],
        "mohd_write takes a (N, O), weight (D, O)",
        (a_NO, weight_DO, chosen_NK),
        len(weight_DO),
        (shared, group_size),
    )
    return torch.ops.frontier.mohd_write(a_NO, weight_DO, chosen_NK, shared, group_size)


def _check(fits: bool, takes: str, tensors: tuple[Tensor, ...], width: int, groups: tuple[int, int]) -> None:
    x, chosen_NK, (shared, size) = tensors[0], tensors[-1], groups
    fits = fits and all(tensor.ndim == 2 for tensor in tensors) and len(chosen_NK) == len(x)
    fits = fits and width % size == 0 and 0 <= shared <= shared + chosen_NK.shape[1] <= width // size
    if not fits or chosen_NK.dtype != torch.int64:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise ValueError(
            f"{takes}, chosen (N, K), a divisor of D, and at most all groups; got {shapes}, {shared} shared and groups "
            f"of {size}"
            if not fits
            else f"{takes} and chosen of int64; got {shapes}, of {chosen_NK.dtype}"
        )
