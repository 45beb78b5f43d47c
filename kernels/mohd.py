"""Linear maps that read or write only some groups of the hidden dimension (MoHD).

N tokens, D width cut into G groups of S columns, O columns on the module's side, H shared groups (the first ones, used
by every token), K routed groups per token, A = H + K, M = N K choices.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .moe_mlp import enough_rows, sort_by_expert


def mohd_read_reference(
    u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor, chosen_NK: Tensor, shared: int, group_size: int
) -> Tensor:
    """The dense product of the input with everything outside a token's groups at zero."""
    groups = u_ND.shape[1] // group_size
    scale_NG = F.pad(multiplier_NA[:, :shared], (0, groups - shared))
    scale_NG = scale_NG.scatter(1, chosen_NK, multiplier_NA[:, shared:])
    return F.linear(u_ND * scale_NG.repeat_interleave(group_size, dim=1), weight_OD)


def mohd_write_reference(a_NO: Tensor, weight_DO: Tensor, chosen_NK: Tensor, shared: int, group_size: int) -> Tensor:
    """The dense product with every column outside a token's groups set to zero."""
    y_ND = F.linear(a_NO, weight_DO)
    active_NG = y_ND.new_zeros(len(y_ND), y_ND.shape[1] // group_size)
    active_NG[:, :shared] = 1
    active_NG = active_NG.scatter(1, chosen_NK, 1)
    return y_ND * active_NG.repeat_interleave(group_size, dim=1)


class _Choices:
    """The choices of N tokens sorted by group, and what reads, writes and their gradients are made of.

    A vector of width D is packed into its shared columns (N, H S) and its routed groups (M, S), the latter sorted.
    Weights are (O, D).
    """

    def __init__(self, chosen_NK: Tensor, groups: int, shared: int, group_size: int) -> None:
        self.chosen_NK = chosen_NK
        self.groups, self.shared, self.group_size = groups, shared, group_size
        self.shared_width = shared * group_size
        self.order_M, self.segments = sort_by_expert(chosen_NK, groups)
        self.token_M = self.order_M // max(1, chosen_NK.shape[1])
        self.row_M = self.token_M * groups + chosen_NK.flatten()[self.order_M]

    def pack(self, u_ND: Tensor) -> tuple[Tensor, Tensor]:
        routed_MS = u_ND.reshape(-1, self.group_size).index_select(0, self.row_M)
        return u_ND[:, : self.shared_width], routed_MS

    def unpack(self, shared_N: Tensor, routed_MS: Tensor) -> Tensor:
        """The vectors of width D, zero outside their groups."""
        y_ND = shared_N.new_zeros(len(shared_N), self.groups * self.group_size)
        y_ND[:, : self.shared_width] = shared_N
        y_ND.view(-1, self.group_size)[self.row_M] = routed_MS
        return y_ND

    def scaled(self, packed: tuple[Tensor, Tensor], multiplier_NA: Tensor) -> tuple[Tensor, Tensor]:
        """A packed vector, every group times its multiplier."""
        shared_N, routed_MS = packed
        multiplier_NH1 = multiplier_NA[:, : self.shared].unsqueeze(2)
        multiplier_M1 = multiplier_NA[:, self.shared :].flatten()[self.order_M].unsqueeze(1)
        return (self._by_group(shared_N) * multiplier_NH1).flatten(1), routed_MS * multiplier_M1

    def multiplier_gradient(self, packed: tuple[Tensor, Tensor], grad_packed: tuple[Tensor, Tensor]) -> Tensor:
        """(N, A): by group, the product of what was scaled and the gradient of the result."""
        shared_NH = self._by_group(packed[0] * grad_packed[0]).sum(dim=2)
        routed_M = torch.empty_like(packed[1][:, 0])
        routed_M[self.order_M] = (packed[1] * grad_packed[1]).sum(dim=1)
        return torch.cat((shared_NH, routed_M.view(self.chosen_NK.shape)), dim=1)

    def read(self, shared_N: Tensor, routed_MS: Tensor, weight_OD: Tensor) -> Tensor:
        """Packed vectors times the columns of their groups, (N, O)."""
        h_NO = F.linear(shared_N, weight_OD[:, : self.shared_width])
        for group, part in self.segments:
            rows = enough_rows(routed_MS[part], len(h_NO))
            h = F.linear(rows, weight_OD[:, self._columns(group)])[: part.stop - part.start]
            h_NO.index_add_(0, self.token_M[part], h)
        return h_NO

    def write(self, a_NO: Tensor, weight_OD: Tensor) -> tuple[Tensor, Tensor]:
        """The packed vectors that (N, O) writes."""
        routed_MS = a_NO.new_empty(len(self.token_M), self.group_size)
        for group, part in self.segments:
            rows = enough_rows(a_NO.index_select(0, self.token_M[part]), len(a_NO))
            routed_MS[part] = (rows @ weight_OD[:, self._columns(group)])[: part.stop - part.start]
        return a_NO @ weight_OD[:, : self.shared_width], routed_MS

    def weight_gradient(self, shared_N: Tensor, routed_MS: Tensor, a_NO: Tensor) -> Tensor:
        """(O, D), zero in the columns of groups that no token chose."""
        grad_OD = a_NO.new_zeros(a_NO.shape[1], self.groups * self.group_size)
        torch.mm(a_NO.T, shared_N, out=grad_OD[:, : self.shared_width])
        for group, part in self.segments:
            grad_OD[:, self._columns(group)] = a_NO.index_select(0, self.token_M[part]).T @ routed_MS[part]
        return grad_OD

    def _by_group(self, shared_N: Tensor) -> Tensor:
        return shared_N.unflatten(1, (self.shared, self.group_size))

    def _columns(self, group: int) -> slice:
        return slice(group * self.group_size, (group + 1) * self.group_size)


def _choices(chosen_NK: Tensor, width: int, shared: int, group_size: int) -> _Choices:
    return _Choices(chosen_NK, width // group_size, shared, group_size)


@torch.library.custom_op("frontier::mohd_read", mutates_args=())
def _read(
    u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor, chosen_NK: Tensor, shared: int, group_size: int
) -> Tensor:
    choices = _choices(chosen_NK, u_ND.shape[1], shared, group_size)
    return choices.read(*choices.scaled(choices.pack(u_ND), multiplier_NA), weight_OD)


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
    choices = _choices(chosen_NK, u_ND.shape[1], shared, group_size)
    packed, grad_packed = choices.pack(u_ND), choices.write(grad_h_NO, weight_OD)
    grad_u_ND = choices.unpack(*choices.scaled(grad_packed, multiplier_NA))
    grad_weight_OD = choices.weight_gradient(*choices.scaled(packed, multiplier_NA), grad_h_NO)
    return grad_u_ND, grad_weight_OD, choices.multiplier_gradient(packed, grad_packed)


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
    choices = _choices(chosen_NK, len(weight_DO), shared, group_size)
    return choices.unpack(*choices.write(a_NO, weight_DO.T))


@_write.register_fake
def _(a_NO: Tensor, weight_DO: Tensor, chosen_NK: Tensor, shared: int, group_size: int) -> Tensor:
    return a_NO.new_empty(len(a_NO), len(weight_DO))


@torch.library.custom_op("frontier::mohd_write_backward", mutates_args=())
def _write_backward(
    grad_y_ND: Tensor, a_NO: Tensor, weight_DO: Tensor, chosen_NK: Tensor, shared: int, group_size: int
) -> tuple[Tensor, Tensor]:
    """Gradients of a and weight."""
    choices = _choices(chosen_NK, len(weight_DO), shared, group_size)
    grad_shared_N, grad_routed_MS = choices.pack(grad_y_ND)
    grad_a_NO = choices.read(grad_shared_N, grad_routed_MS, weight_DO.T)
    return grad_a_NO, choices.weight_gradient(grad_shared_N, grad_routed_MS, a_NO).T.contiguous()


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
        ValueError: the shapes do not fit together.
    """
    _check(
        u_ND.shape[1] == weight_OD.shape[1]
        and u_ND.shape[1] % group_size == 0
        and multiplier_NA.shape == (len(u_ND), shared + chosen_NK.shape[1])
        and len(chosen_NK) == len(u_ND),
        "mohd_read takes u (N, D), weight (O, D), multiplier (N, shared + K), chosen (N, K) and a divisor of D",
        (u_ND, weight_OD, multiplier_NA, chosen_NK),
        (shared, group_size),
    )
    return torch.ops.frontier.mohd_read(u_ND, weight_OD, multiplier_NA, chosen_NK, shared, group_size)


def mohd_write(a_NO: Tensor, weight_DO: Tensor, chosen_NK: Tensor, shared: int, group_size: int) -> Tensor:
    """Write a token's groups: a @ weight[group].T in their columns, zero in all others, (N, D).

    Raises:
        ValueError: the shapes do not fit together.
    """
    _check(
        a_NO.shape[1] == weight_DO.shape[1] and len(weight_DO) % group_size == 0 and len(chosen_NK) == len(a_NO),
        "mohd_write takes a (N, O), weight (D, O), chosen (N, K) and a divisor of D",
        (a_NO, weight_DO, chosen_NK),
        (shared, group_size),
    )
    return torch.ops.frontier.mohd_write(a_NO, weight_DO, chosen_NK, shared, group_size)


def _check(fits: bool, rule: str, tensors: tuple[Tensor, ...], groups: tuple[int, int]) -> None:
    if not fits:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise ValueError(f"{rule}; got {shapes}, {groups[0]} shared and groups of {groups[1]}")
