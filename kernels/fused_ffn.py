"""Feed-forward without the hidden activations of all tokens: y = down(act(gate(x)) * up(x)), or down(act(up(x))).

N tokens, D width, F inner size, T tokens of a block. Weights are those of torch.nn.Linear: gate and up (F, D), down
(D, F). Blocks are of tokens rather than of the inner size: every block is then whole products, each as exact as the
plain one and as fast from some hundred rows on, where a kernel of all three would have to add up y over blocks of F in
memory. The gradient computes a block's activations again, eleven products in all instead of nine, and adds the weights'
gradients up over blocks in float32. What this costs in time is what the hidden activations' way through memory costs:
it is meant for long sequences, forward at any width, with its gradient where memory is short or the width is small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .launching import by_triton, same_place
from .tuning import Tuning, bucket

Activation = Literal["silu", "gelu", "squared_relu"]

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
TUNING = Tuning("fused_ffn", {"tokens": 4096}, {"tokens": 2048}, {"tokens": 1024})
# On a CPU a block's activations stay in its caches, but a product of fewer rows is no longer as fast.
CPU_TOKENS = 512
BLOCK = 1024


def activated(x: Tensor, activation: str) -> Tensor:
    """One of the three activations; GELU is the exact one."""
    if activation == "squared_relu":
        return F.relu(x).square()
    return F.silu(x) if activation == "silu" else F.gelu(x)


def fused_ffn_reference(
    x: Tensor, gate_FD: Tensor | None, up_FD: Tensor, down_DF: Tensor, activation: Activation
) -> Tensor:
    """The plain composition, which holds hidden activations of every token."""
    up = F.linear(x, up_FD)
    inner = activated(up, activation) if gate_FD is None else activated(F.linear(x, gate_FD), activation) * up
    return F.linear(inner, down_DF)


@triton.jit
def _activation(b_x, ACTIVATION: tl.constexpr):
    """The activation and its derivative."""
    if ACTIVATION == "silu":
        b_sigmoid = tl.sigmoid(b_x)
        b_active = b_x * b_sigmoid
        b_slope = b_sigmoid + b_active * (1 - b_sigmoid)
    elif ACTIVATION == "gelu":
        b_share = 0.5 + 0.5 * tl.erf(b_x * 0.7071067811865476)
        b_active = b_x * b_share
        b_slope = b_share + b_x * tl.exp(-0.5 * b_x * b_x) * 0.3989422804014327
    else:
        b_positive = tl.maximum(b_x, 0.0)
        b_active = b_positive * b_positive
        b_slope = 2 * b_positive
    return b_active, b_slope


@triton.jit
def _activate_kernel(p_x, p_up, entries, ACTIVATION: tl.constexpr, GATED: tl.constexpr, b: tl.constexpr):
    """x becomes act(x) * up if GATED, else act(x)."""
    i = tl.program_id(0).to(tl.int64) * b + tl.arange(0, b)
    b_x = tl.load(p_x + i, mask=i < entries, other=0.0).to(tl.float32)
    b_inner, _ = _activation(b_x, ACTIVATION)
    if GATED:
        b_inner *= tl.load(p_up + i, mask=i < entries, other=0.0).to(tl.float32)
    tl.store(p_x + i, b_inner.to(p_x.dtype.element_ty), mask=i < entries)


@triton.jit
def _activate_gradient_kernel(
    p_x, p_up, p_grad, entries, ACTIVATION: tl.constexpr, GATED: tl.constexpr, b: tl.constexpr
):
    """x and up become their gradients, and the gradient of the inner activations becomes these activations."""
    i = tl.program_id(0).to(tl.int64) * b + tl.arange(0, b)
    b_x = tl.load(p_x + i, mask=i < entries, other=0.0).to(tl.float32)
    b_grad = tl.load(p_grad + i, mask=i < entries, other=0.0).to(tl.float32)
    b_inner, b_slope = _activation(b_x, ACTIVATION)
    if GATED:
        b_up = tl.load(p_up + i, mask=i < entries, other=0.0).to(tl.float32)
        tl.store(p_up + i, (b_grad * b_inner).to(p_up.dtype.element_ty), mask=i < entries)
        b_inner *= b_up
        b_grad *= b_up
    tl.store(p_x + i, (b_grad * b_slope).to(p_x.dtype.element_ty), mask=i < entries)
    tl.store(p_grad + i, b_inner.to(p_grad.dtype.element_ty), mask=i < entries)


def activate_(x_TF: Tensor, up_TF: Tensor | None, activation: str) -> Tensor:
    """The inner activations, written over x."""
    if by_triton(x_TF):
        up = x_TF if up_TF is None else up_TF
        _activate_kernel[triton.cdiv(x_TF.numel(), BLOCK),](
            x_TF, up, x_TF.numel(), ACTIVATION=activation, GATED=up_TF is not None, b=BLOCK
        )
        return x_TF
    if activation == "squared_relu":
        x_TF.relu_().square_()
    else:
        (torch.ops.aten.silu_ if activation == "silu" else torch.ops.aten.gelu_)(x_TF)
    return x_TF if up_TF is None else x_TF.mul_(up_TF)


def activate_gradient_(
    x_TF: Tensor, up_TF: Tensor | None, grad_TF: Tensor, activation: str
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The inner activations, and the gradients of x and of up. All three operands are written over."""
    if by_triton(x_TF):
        up = x_TF if up_TF is None else up_TF
        _activate_gradient_kernel[triton.cdiv(x_TF.numel(), BLOCK),](
            x_TF, up, grad_TF, x_TF.numel(), ACTIVATION=activation, GATED=up_TF is not None, b=BLOCK
        )
        return grad_TF, x_TF, up_TF
    inner_TF, grad_up_TF = activated(x_TF, activation), None
    if up_TF is not None:
        grad_up_TF = inner_TF * grad_TF
        inner_TF *= up_TF
        grad_TF *= up_TF
    if activation == "squared_relu":
        return inner_TF, grad_TF.mul_(x_TF.relu_()).mul_(2), grad_up_TF
    derive = torch.ops.aten.silu_backward if activation == "silu" else torch.ops.aten.gelu_backward
    derive.grad_input(grad_TF, x_TF, grad_input=grad_TF)
    return inner_TF, grad_TF, grad_up_TF


def _blocks(tokens: int, block: int) -> Iterator[slice]:
    return (slice(start, min(start + block, tokens)) for start in range(0, tokens, block))


@torch.library.custom_op("frontier::fused_ffn", mutates_args=())
def _feed_forward(
    x_ND: Tensor, gate_FD: Tensor | None, up_FD: Tensor, down_DF: Tensor, activation: str, block: int
) -> Tensor:
    _check_values(x_ND, gate_FD, up_FD, down_DF)
    tokens, inner_size = len(x_ND), len(up_FD)
    y_ND = x_ND.new_empty(tokens, len(down_DF))
    up_TF = x_ND.new_empty(min(block, tokens), inner_size)
    gate_TF = None if gate_FD is None else torch.empty_like(up_TF)
    for part in _blocks(tokens, block):
        x, size = x_ND[part], part.stop - part.start
        up = torch.mm(x, up_FD.T, out=up_TF[:size])
        if gate_FD is None or gate_TF is None:
            inner = activate_(up, None, activation)
        else:
            inner = activate_(torch.mm(x, gate_FD.T, out=gate_TF[:size]), up, activation)
        torch.mm(inner, down_DF.T, out=y_ND[part])
    return y_ND


@_feed_forward.register_fake
def _(x_ND: Tensor, gate_FD: Tensor | None, up_FD: Tensor, down_DF: Tensor, activation: str, block: int) -> Tensor:
    return x_ND.new_empty(len(x_ND), len(down_DF))


class _Sum:
    """The gradient of a weight, added up over blocks in float32 and rounded once."""

    def __init__(self, weight: Tensor) -> None:
        self.dtype = weight.dtype
        self.total = torch.zeros(
            weight.shape, dtype=torch.promote_types(weight.dtype, torch.float32), device=weight.device
        )

    def add(self, a: Tensor, b: Tensor) -> None:
        if a.dtype == self.total.dtype:
            self.total.addmm_(a, b)
        else:
            self.total += torch.mm(a, b, out_dtype=self.total.dtype) if a.is_cuda else torch.mm(a, b)

    def rounded(self) -> Tensor:
        return self.total.to(self.dtype)


@torch.library.custom_op("frontier::fused_ffn_backward", mutates_args=())
def _feed_forward_backward(
    grad_y_ND: Tensor,
    x_ND: Tensor,
    gate_FD: Tensor | None,
    up_FD: Tensor,
    down_DF: Tensor,
    activation: str,
    block: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, gate (with no rows where there is none), up and down."""
    _check_values(x_ND, gate_FD, up_FD, down_DF, grad_y_ND)
    gated = gate_FD is not None
    # Without a gate it is up that is activated.
    first_FD = up_FD if gate_FD is None else gate_FD
    grad_x_ND = x_ND.new_empty(x_ND.shape)
    grad_first, grad_up, grad_down = _Sum(first_FD), _Sum(up_FD if gated else up_FD[:0]), _Sum(down_DF)
    buffers = x_ND.new_empty(3 if gated else 2, min(block, len(x_ND)), len(up_FD))
    for part in _blocks(len(x_ND), block):
        x, grad_y, size = x_ND[part], grad_y_ND[part], part.stop - part.start
        first = torch.mm(x, first_FD.T, out=buffers[0, :size])
        grad = torch.mm(grad_y, down_DF, out=buffers[1, :size])
        up = torch.mm(x, up_FD.T, out=buffers[2, :size]) if gated else None
        inner, grad_of_first, grad_of_up = activate_gradient_(first, up, grad, activation)
        grad_down.add(grad_y.T, inner)
        grad_first.add(grad_of_first.T, x)
        torch.mm(grad_of_first, first_FD, out=grad_x_ND[part])
        if grad_of_up is not None:
            grad_up.add(grad_of_up.T, x)
            grad_x_ND[part].addmm_(grad_of_up, up_FD)
    gradients = (grad_first, grad_up) if gated else (grad_up, grad_first)
    return grad_x_ND, gradients[0].rounded(), gradients[1].rounded(), grad_down.rounded()


@_feed_forward_backward.register_fake
def _(
    grad_y_ND: Tensor,
    x_ND: Tensor,
    gate_FD: Tensor | None,
    up_FD: Tensor,
    down_DF: Tensor,
    activation: str,
    block: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    grad_gate = up_FD.new_empty(0, up_FD.shape[1]) if gate_FD is None else gate_FD.new_empty(gate_FD.shape)
    return x_ND.new_empty(x_ND.shape), grad_gate, up_FD.new_empty(up_FD.shape), down_DF.new_empty(down_DF.shape)


def _save_inputs(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.rest = inputs[4:]


def _backward(ctx: Any, grad_y_ND: Tensor) -> tuple[Tensor | None, ...]:
    x, gate, up, down = torch.ops.frontier.fused_ffn_backward(grad_y_ND, *ctx.saved_tensors, *ctx.rest)
    return x, None if ctx.saved_tensors[1] is None else gate, up, down, None, None


_feed_forward.register_autograd(_backward, setup_context=_save_inputs)
for _device in ("cpu", "cuda"):
    _feed_forward.register_autocast(_device, torch.bfloat16)


@register_flop_formula(torch.ops.frontier.fused_ffn)
def _flops(x: list[int], gate: list[int] | None, up: list[int], down: list[int], *args: Any, **kwargs: Any) -> int:
    return 2 * x[0] * math.prod(up) * (2 if gate is None else 3)


@register_flop_formula(torch.ops.frontier.fused_ffn_backward)
def _backward_flops(
    grad: list[int], x: list[int], gate: list[int] | None, up: list[int], down: list[int], *args: Any, **kwargs: Any
) -> int:
    return 2 * x[0] * math.prod(up) * (5 if gate is None else 8)


def fused_ffn(
    x: Tensor,
    gate_FD: Tensor | None,
    up_FD: Tensor,
    down_DF: Tensor,
    activation: Activation = "silu",
    block: int | None = None,
) -> Tensor:
    """Feed-forward of tokens (..., D), of whose hidden activations only a block's exist at a time.

    Args:
        gate_FD: what is activated and multiplies up; without it up itself is activated.
        block: tokens at a time. Without it what suits the device, and where there are no more tokens than that, there
            is nothing to save: the plain composition, whose gradient computes nothing again.

    Raises:
        ValueError: the shapes, dtypes or devices do not fit together, or there is no such activation.
    """
    _check_shapes(x, gate_FD, up_FD, down_DF, activation, block)
    x_ND = x.flatten(0, -2)
    chosen = block or _block(x_ND, gate_FD, up_FD, down_DF, activation)
    if block is None and len(x_ND) <= chosen:
        return fused_ffn_reference(x, gate_FD, up_FD, down_DF, activation)
    y_ND = torch.ops.frontier.fused_ffn(x_ND, gate_FD, up_FD, down_DF, activation, chosen)
    return y_ND.view(x.shape)


def _block(x_ND: Tensor, gate_FD: Tensor | None, up_FD: Tensor, down_DF: Tensor, activation: str) -> int:
    """How many tokens to take at a time."""
    if not x_ND.is_cuda:
        return CPU_TOKENS
    inner_size, width = up_FD.shape
    key = (bucket(len(x_ND)), bucket(width), bucket(inner_size), gate_FD is not None, x_ND.dtype)
    operands = [None if t is None else t.detach() for t in (x_ND, gate_FD, up_FD, down_DF)]
    config = TUNING.config(
        lambda config: torch.ops.frontier.fused_ffn(*operands, activation, config["tokens"]), x_ND.device, *key
    )
    return config["tokens"]


def _check_shapes(
    x: Tensor, gate_FD: Tensor | None, up_FD: Tensor, down_DF: Tensor, activation: str, block: int | None
) -> None:
    fits = (
        x.ndim >= 2
        and up_FD.ndim == 2
        and x.shape[-1] == up_FD.shape[1]
        and down_DF.shape == up_FD.shape[::-1]
        and (gate_FD is None or gate_FD.shape == up_FD.shape)
    )
    if not fits:
        given = ", ".join("None" if t is None else str(tuple(t.shape)) for t in (x, gate_FD, up_FD, down_DF))
        raise ValueError(f"fused_ffn takes x (..., D), gate (F, D) or None, up (F, D) and down (D, F); got {given}")
    if activation not in get_args(Activation):
        raise ValueError(f"fused_ffn knows the activations {', '.join(get_args(Activation))}; got {activation}")
    if block is not None and block < 1:
        raise ValueError(f"fused_ffn takes blocks of at least one token; got {block}")


def _check_values(
    x_ND: Tensor, gate_FD: Tensor | None, up_FD: Tensor, down_DF: Tensor, grad_y_ND: Tensor | None = None
) -> None:
    """Behind autocast, which makes floating point one dtype."""
    same_place("fused_ffn", x=x_ND, gate=gate_FD, up=up_FD, down=down_DF, grad=grad_y_ND)
    if by_triton(x_ND) and x_ND.dtype not in DTYPES:
        raise ValueError(f"fused_ffn's kernels take float32, float16 and bfloat16; got {x_ND.dtype}")
