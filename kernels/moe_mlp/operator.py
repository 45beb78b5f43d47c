"""The mixture of experts as an operator of torch, and which way it takes.

N tokens, D width, E experts, F inner size of an expert, K experts per token, M = N K choices.

The gradient computes the inner activations again: two products more, eleven in all instead of nine, for which nothing
of size M F is held between the two passes, where a supernet's step holds every layer of several subnets. It also
leaves the operator with one output, so that a model that only runs forward pays for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from ..grouping import grouped, places
from ..launching import by_triton, dtype_name, same_place
from ..tuning import Config, Part, Tuning, bucket
from . import by_expert, kernel, library

Backend = Literal["torch", "triton", "grouped_mm"]
DTYPES = (torch.float32, torch.float16, torch.bfloat16)

# The first of each is what runs where nothing was tuned, so Triton's: torch's grouped product runs where it was
# measured to be faster.
FEW_ROWS: tuple[Config, ...] = (
    {"b_M": 16, "b_C": 64, "b_R": 32, "num_warps": 4, "num_stages": 3},
    {"b_M": 16, "b_C": 32, "b_R": 128, "num_warps": 4, "num_stages": 3},
    {"b_M": 16, "b_C": 128, "b_R": 64, "num_warps": 4, "num_stages": 4},
    {"b_M": 32, "b_C": 64, "b_R": 64, "num_warps": 4, "num_stages": 3},
)
MANY_ROWS: tuple[Config, ...] = (
    {"b_M": 64, "b_C": 64, "b_R": 32, "num_warps": 4, "num_stages": 3},
    {"b_M": 64, "b_C": 64, "b_R": 64, "num_warps": 4, "num_stages": 3},
    {"b_M": 64, "b_C": 128, "b_R": 64, "num_warps": 8, "num_stages": 3},
    {"b_M": 128, "b_C": 64, "b_R": 64, "num_warps": 8, "num_stages": 3},
    {"b_M": 128, "b_C": 128, "b_R": 64, "num_warps": 8, "num_stages": 3},
)
LIBRARY: Config = {"library": 1}
# Rows per expert from which on tiles are larger.
MANY = 32

TUNINGS: dict[tuple[str, bool, bool], Tuning] = {
    (name, many, fits): Tuning(name, *(MANY_ROWS if many else FEW_ROWS), *([LIBRARY] if fits else []))
    for name in ("moe_mlp", "moe_mlp_backward")
    for many in (False, True)
    for fits in (False, True)
}


def _tuning(name: str, x_ND: Tensor, weights: tuple[Tensor, ...], chosen_NK: Tensor) -> tuple[Tuning, tuple[Part, ...]]:
    """The configurations there are for these operands, and what their bucket is told by."""
    experts, inner_size, width = weights[0].shape
    tokens, choices = chosen_NK.shape
    fits = library.fits(x_ND, *weights)
    shape = bucket(tokens), bucket(width), bucket(inner_size), bucket(experts, 1), choices
    many = shape[0] * choices > MANY * shape[3]
    return TUNINGS[name, many, fits], (*shape, x_ND.dtype, fits)


@torch.library.custom_op("frontier::moe_mlp", mutates_args=())
def _experts(
    x_ND: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor, weight_NK: Tensor, chosen_NK: Tensor
) -> Tensor:
    _check_values(x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK)
    if not by_triton(x_ND):
        return by_expert.forward(x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK)
    y_ND = x_ND.new_empty(x_ND.shape)
    if not chosen_NK.numel():
        return y_ND.zero_()
    tuning, key = _tuning("moe_mlp", x_ND, (gate_EFD, up_EFD, down_EDF), chosen_NK)
    run = _forward_into(y_ND, x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK)
    tuning.launch(run, x_ND.device, *key)
    return y_ND


def _forward_into(
    y_ND: Tensor,
    x_ND: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
    weight_NK: Tensor,
    chosen_NK: Tensor,
) -> Callable[[Config], None]:
    experts, choices = len(gate_EFD), chosen_NK.shape[1]
    groups = grouped(chosen_NK, experts)
    place_M = places(groups)

    def run(config: Config) -> None:
        if config == LIBRARY:
            packed_MD = library.forward(x_ND, gate_EFD, up_EFD, down_EDF, groups, choices)
        else:
            packed_MD = kernel.forward(config, x_ND, gate_EFD, up_EFD, down_EDF, groups, choices)
        kernel.add_up(packed_MD, place_M, weight_NK, chosen_NK, experts, y_ND)

    return run


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
    """Gradients of x, gate, up, down and weight."""
    _check_values(x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK, grad_y_ND)
    operands = (x_ND, gate_EFD, up_EFD, down_EDF, weight_NK)
    if not by_triton(x_ND):
        return by_expert.backward(grad_y_ND, *operands, chosen_NK)
    if not chosen_NK.numel():
        x, gate, up, down, weight = (t.new_zeros(t.shape) for t in operands)
        return x, gate, up, down, weight
    tuning, key = _tuning("moe_mlp_backward", x_ND, operands[1:4], chosen_NK)
    found: list[Tensor] = []
    run = _backward_into(found, grad_y_ND, *operands, chosen_NK)
    tuning.launch(run, x_ND.device, *key)
    x, gate, up, down, weight = found
    return x, gate, up, down, weight


def _backward_into(
    found: list[Tensor],
    grad_y_ND: Tensor,
    x_ND: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
    weight_NK: Tensor,
    chosen_NK: Tensor,
) -> Callable[[Config], None]:
    experts = len(gate_EFD)
    groups = grouped(chosen_NK, experts)
    place_M = places(groups)
    operands = (grad_y_ND, x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, groups)

    def run(config: Config) -> None:
        found.clear()
        grad_x_MD, gate, up, down, grad_weight_M = (
            library.backward(*operands) if config == LIBRARY else kernel.backward(config, *operands)
        )
        grad_x_ND = x_ND.new_empty(x_ND.shape)
        kernel.add_up(grad_x_MD, place_M, None, chosen_NK, experts, grad_x_ND)
        grad_weight_NK = grad_weight_M[place_M].view(weight_NK.shape).to(weight_NK.dtype)
        found.extend((grad_x_ND, gate, up, down, grad_weight_NK))

    return run


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

    On a GPU nothing waits for the device, so a choice of an expert that there is not cannot be refused: its token's
    output is NaN.

    Raises:
        ValueError: the shapes, dtypes or devices do not fit together.
    """
    _check_shapes(x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK)
    return torch.ops.frontier.moe_mlp(x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK)


def moe_mlp_backend(
    x_ND: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
    weight_NK: Tensor,
    chosen_NK: Tensor,
    backward: bool = False,
) -> Backend:
    """What `moe_mlp`, or its gradient, runs on for operands such as these: to be kept beside a measurement.

    Raises:
        ValueError: as `moe_mlp`.
    """
    operands = (x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK)
    _check_shapes(*operands)
    _check_values(*operands)
    if not by_triton(x_ND) or not chosen_NK.numel():
        return "torch"
    tuning, key = _tuning("moe_mlp_backward" if backward else "moe_mlp", x_ND, operands[1:4], chosen_NK)
    # Inside `tuned_kernels` a bucket that nobody tuned is tuned, as the call itself would.
    like = torch.zeros_like(x_ND)
    run = _backward_into([], like, *operands) if backward else _forward_into(like, *operands)
    return "grouped_mm" if tuning.config(run, x_ND.device, *key) == LIBRARY else "triton"


def _check_shapes(
    x_ND: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor, weight_NK: Tensor, chosen_NK: Tensor
) -> None:
    given = (x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK)
    fits = [t.ndim for t in given] == [2, 3, 3, 3, 2, 2] and (
        gate_EFD.shape[2] == x_ND.shape[1]
        and up_EFD.shape == gate_EFD.shape
        and down_EDF.shape == (gate_EFD.shape[0], gate_EFD.shape[2], gate_EFD.shape[1])
        and weight_NK.shape == chosen_NK.shape
        and len(chosen_NK) == len(x_ND)
    )
    if not fits:
        shapes = ", ".join(str(tuple(t.shape)) for t in given)
        raise ValueError(
            f"moe_mlp takes x (N, D), gate and up (E, F, D), down (E, D, F), weight and chosen (N, K); got {shapes}"
        )


def _check_values(
    x_ND: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
    weight_NK: Tensor,
    chosen_NK: Tensor,
    grad_y_ND: Tensor | None = None,
) -> None:
    """Behind autocast, which makes floating point one dtype."""
    same_place(
        "moe_mlp", x=x_ND, gate=gate_EFD, up=up_EFD, down=down_EDF, weight=weight_NK, chosen=chosen_NK, grad=grad_y_ND
    )
    if chosen_NK.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"moe_mlp takes chosen in int64 or int32; got {dtype_name(chosen_NK.dtype)}")
    if by_triton(x_ND) and x_ND.dtype not in DTYPES:
        raise ValueError(f"moe_mlp's kernels take float32, float16 and bfloat16; got {dtype_name(x_ND.dtype)}")
