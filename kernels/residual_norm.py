"""Residual and norm in one pass over memory: s = x + r and (s - c) / sqrt(mean((s - c)^2) + eps) * weight + bias.

N rows, D width. c is the mean of a row in a layer norm, and 0 in an RMS norm. What is normed is s as it is kept,
rounding included, so backward keeps nothing but s, which the next layer keeps anyway.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .autocast import autocasted
from .launching import same_place
from .processors import processors
from .tuning import Config, Tuning, bucket

# A row lies in one program's registers.
WIDEST = 65536
MOST_ROWS = 64
MOST_WARPS = 16
PROGRAMS_PER_PROCESSOR = 2

# A tile's entries, of as many rows as fit, and how many of them a thread holds.
CONFIGS: tuple[Config, ...] = (
    {"tile": 4096, "per_thread": 8},
    {"tile": 2048, "per_thread": 8},
    {"tile": 1024, "per_thread": 4},
    {"tile": 8192, "per_thread": 16},
    {"tile": 4096, "per_thread": 32},
)
FORWARD = Tuning("residual_norm", *CONFIGS)
BACKWARD = Tuning("residual_norm_backward", *CONFIGS)


@triton.jit
def _forward_kernel(
    p_x, p_residual, p_weight, p_bias, p_normed, p_sum, rows, width, stride_x, stride_residual, stride_weight,
    stride_bias, eps, CENTRED: tl.constexpr, WEIGHTED: tl.constexpr, BIASED: tl.constexpr, b_N: tl.constexpr,
    b_D: tl.constexpr,
):  # fmt: skip
    i_n = (tl.program_id(0) * b_N + tl.arange(0, b_N)).to(tl.int64)[:, None]
    i_d = tl.arange(0, b_D)[None, :]
    mask = (i_n < rows) & (i_d < width)
    b_x = tl.load(p_x + i_n * stride_x + i_d, mask=mask, other=0.0).to(tl.float32)
    b_x += tl.load(p_residual + i_n * stride_residual + i_d, mask=mask, other=0.0).to(tl.float32)
    b_kept = b_x.to(p_sum.dtype.element_ty)
    tl.store(p_sum + i_n * width + i_d, b_kept, mask=mask)
    b_unit, _ = _unit(b_kept.to(tl.float32), i_d < width, width, eps, CENTRED)
    if WEIGHTED:
        b_unit *= tl.load(p_weight + i_d * stride_weight, mask=i_d < width, other=0.0).to(tl.float32)
    if BIASED:
        b_unit += tl.load(p_bias + i_d * stride_bias, mask=i_d < width, other=0.0).to(tl.float32)
    tl.store(p_normed + i_n * width + i_d, b_unit.to(p_normed.dtype.element_ty), mask=mask)


@triton.jit
def _unit(b_s, mask, width, eps, CENTRED: tl.constexpr):
    """Rows of unit size, zero where masked, and what they were multiplied by."""
    if CENTRED:
        b_s = tl.where(mask, b_s - (tl.sum(b_s, axis=1) / width)[:, None], 0.0)
    b_scale = (1.0 / tl.sqrt(tl.sum(b_s * b_s, axis=1) / width + eps))[:, None]
    return b_s * b_scale, b_scale


@triton.jit
def _column_sums(b_ND, b_N: tl.constexpr, b_D: tl.constexpr):
    """In two steps, so that no running sum gets long in whatever order a step is taken."""
    if b_N > 8:
        b_ND = tl.sum(tl.reshape(b_ND, (8, b_N // 8, b_D)), axis=1)
    return tl.sum(b_ND, axis=0)


@triton.jit
def _backward_kernel(
    p_grad_normed, p_grad_sum, p_sum, p_weight, p_grad, p_partial_weight, p_partial_bias, rows, width,
    stride_grad_normed, stride_grad_sum, stride_sum, stride_weight, eps, CENTRED: tl.constexpr,
    WEIGHTED: tl.constexpr, BIASED: tl.constexpr, SUM_USED: tl.constexpr, b_N: tl.constexpr, b_D: tl.constexpr,
):  # fmt: skip
    """Every so many tiles of rows: no atomics in the weight's gradient, so the same bits every time."""
    i_d = tl.arange(0, b_D)[None, :]
    b_grad_weight = tl.zeros((b_N, b_D), dtype=tl.float32)
    b_grad_bias = tl.zeros((b_N, b_D), dtype=tl.float32)
    for i_tile in range(tl.program_id(0), tl.cdiv(rows, b_N), tl.num_programs(0)):
        i_n = (i_tile * b_N + tl.arange(0, b_N)).to(tl.int64)[:, None]
        mask = (i_n < rows) & (i_d < width)
        b_s = tl.load(p_sum + i_n * stride_sum + i_d, mask=mask, other=0.0).to(tl.float32)
        b_grad = tl.load(p_grad_normed + i_n * stride_grad_normed + i_d, mask=mask, other=0.0).to(tl.float32)
        b_unit, b_scale = _unit(b_s, i_d < width, width, eps, CENTRED)
        if BIASED:
            b_grad_bias += b_grad
        if WEIGHTED:
            b_grad_weight += b_grad * b_unit
            b_grad *= tl.load(p_weight + i_d * stride_weight, mask=i_d < width, other=0.0).to(tl.float32)
        b_along = (tl.sum(b_grad * b_unit, axis=1) / width)[:, None]
        if CENTRED:
            b_grad -= (tl.sum(b_grad, axis=1) / width)[:, None]
        b_grad = b_scale * (b_grad - b_unit * b_along)
        if SUM_USED:
            b_grad += tl.load(p_grad_sum + i_n * stride_grad_sum + i_d, mask=mask, other=0.0).to(tl.float32)
        tl.store(p_grad + i_n * width + i_d, b_grad.to(p_grad.dtype.element_ty), mask=mask)
    p_own = tl.program_id(0).to(tl.int64) * width + tl.arange(0, b_D)
    inside = tl.arange(0, b_D) < width
    if WEIGHTED:
        tl.store(p_partial_weight + p_own, _column_sums(b_grad_weight, b_N, b_D), mask=inside)
    if BIASED:
        tl.store(p_partial_bias + p_own, _column_sums(b_grad_bias, b_N, b_D), mask=inside)


def launch_forward(
    x_ND: Tensor, residual_ND: Tensor, weight_D: Tensor | None, bias_D: Tensor | None, eps: float, centred: bool
) -> tuple[Tensor, Tensor]:
    """The normed rows and the sum."""
    x_ND, residual_ND = _with_near_columns(x_ND), _with_near_columns(residual_ND)
    rows, width = x_ND.shape
    normed_ND, sum_ND = (torch.empty(rows, width, dtype=x_ND.dtype, device=x_ND.device) for _ in range(2))
    if not rows:
        return normed_ND, sum_ND

    def run(config: Config) -> None:
        tile = _tile(config, width)
        _forward_kernel[(triton.cdiv(rows, tile["b_N"]),)](
            x_ND, residual_ND, weight_D, bias_D, normed_ND, sum_ND, rows, width, x_ND.stride(0), residual_ND.stride(0),
            _stride(weight_D), _stride(bias_D), eps,
            CENTRED=centred, WEIGHTED=weight_D is not None, BIASED=bias_D is not None, **tile,
        )  # fmt: skip

    FORWARD.launch(run, x_ND.device, bucket(width), bucket(rows, 1024), x_ND.dtype, centred)
    return normed_ND, sum_ND


def launch_backward(
    grad_normed_ND: Tensor,
    grad_sum_ND: Tensor | None,
    sum_ND: Tensor,
    weight_D: Tensor | None,
    bias_D: Tensor | None,
    eps: float,
    centred: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, which is that of the residual too, of weight and of bias; empty where there is none."""
    grad_normed_ND, sum_ND = _with_near_columns(grad_normed_ND), _with_near_columns(sum_ND)
    grad_sum_ND = None if grad_sum_ND is None else _with_near_columns(grad_sum_ND)
    rows, width = sum_ND.shape
    weighted, biased = weight_D is not None, bias_D is not None
    grad_ND = torch.empty(rows, width, dtype=sum_ND.dtype, device=sum_ND.device)
    programs = min(PROGRAMS_PER_PROCESSOR * processors(sum_ND.device), rows)
    partial_PD = torch.empty(2, programs if weighted or biased else 0, width, dtype=torch.float32, device=sum_ND.device)

    def run(config: Config) -> None:
        _backward_kernel[(programs,)](
            grad_normed_ND, grad_sum_ND, sum_ND, weight_D, grad_ND, partial_PD[0], partial_PD[1], rows, width,
            grad_normed_ND.stride(0), 0 if grad_sum_ND is None else grad_sum_ND.stride(0), sum_ND.stride(0),
            _stride(weight_D), eps,
            CENTRED=centred, WEIGHTED=weighted, BIASED=biased, SUM_USED=grad_sum_ND is not None, **_tile(config, width),
        )  # fmt: skip

    if rows:
        key = (bucket(width), bucket(rows, 1024), sum_ND.dtype, centred, grad_sum_ND is not None)
        BACKWARD.launch(run, sum_ND.device, *key)
    grads = [
        sum_ND.new_empty(0) if given is None else partial.sum(dim=0).to(given.dtype)
        for given, partial in zip((weight_D, bias_D), partial_PD, strict=True)
    ]
    return grad_ND, grads[0], grads[1]


def _tile(config: Config, width: int) -> dict[str, int]:
    b_D = bucket(width)
    b_N = min(max(1, config["tile"] // b_D), MOST_ROWS)
    warps = b_N * b_D // (32 * config["per_thread"])
    return {"b_N": b_N, "b_D": b_D, "num_warps": min(max(1, warps), MOST_WARPS)}


def _stride(weight_D: Tensor | None) -> int:
    return 0 if weight_D is None else weight_D.stride(0)


def _with_near_columns(x_ND: Tensor) -> Tensor:
    return x_ND if x_ND.stride(1) == 1 else x_ND.contiguous()


@torch.library.custom_op("frontier::residual_norm", mutates_args=())
def _residual_norm(
    x_ND: Tensor, residual_ND: Tensor, weight_D: Tensor | None, bias_D: Tensor | None, eps: float, centred: bool
) -> tuple[Tensor, Tensor]:
    return launch_forward(x_ND, residual_ND, weight_D, bias_D, eps, centred)


@_residual_norm.register_fake
def _(
    x_ND: Tensor, residual_ND: Tensor, weight_D: Tensor | None, bias_D: Tensor | None, eps: float, centred: bool
) -> tuple[Tensor, Tensor]:
    return x_ND.new_empty(x_ND.shape), x_ND.new_empty(x_ND.shape)


@torch.library.custom_op("frontier::residual_norm_backward", mutates_args=())
def _residual_norm_backward(
    grad_normed_ND: Tensor,
    grad_sum_ND: Tensor | None,
    sum_ND: Tensor,
    weight_D: Tensor | None,
    bias_D: Tensor | None,
    eps: float,
    centred: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return launch_backward(grad_normed_ND, grad_sum_ND, sum_ND, weight_D, bias_D, eps, centred)


@_residual_norm_backward.register_fake
def _(
    grad_normed_ND: Tensor,
    grad_sum_ND: Tensor | None,
    sum_ND: Tensor,
    weight_D: Tensor | None,
    bias_D: Tensor | None,
    eps: float,
    centred: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    weight, bias = (sum_ND.new_empty(0 if given is None else given.shape) for given in (weight_D, bias_D))
    return sum_ND.new_empty(sum_ND.shape), weight, bias


def _save(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    _, _, weight_D, bias_D, ctx.eps, ctx.centred = inputs
    ctx.save_for_backward(output[1], weight_D, bias_D)
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad_normed_ND: Tensor | None, grad_sum_ND: Tensor | None) -> tuple[Tensor | None, ...]:
    sum_ND, weight_D, bias_D = ctx.saved_tensors
    if grad_normed_ND is None:  # only the sum was used
        return grad_sum_ND, grad_sum_ND, None, None, None, None
    grad_ND, grad_weight_D, grad_bias_D = torch.ops.frontier.residual_norm_backward(
        grad_normed_ND, grad_sum_ND, sum_ND, weight_D, bias_D, ctx.eps, ctx.centred
    )
    weight = None if weight_D is None else grad_weight_D
    bias = None if bias_D is None else grad_bias_D
    return grad_ND, grad_ND, weight, bias, None, None


_residual_norm.register_autograd(_backward, setup_context=_save)


@register_flop_formula([torch.ops.frontier.residual_norm, torch.ops.frontier.residual_norm_backward])
def _flops(*args: Any, **kwargs: Any) -> int:
    """None, as torch's counter counts them: products of matrices alone."""
    return 0


def by_rows(
    x: Tensor, residual: Tensor, weight_D: Tensor | None, bias_D: Tensor | None, eps: float, centred: bool
) -> tuple[Tensor, Tensor]:
    """Through Triton, whatever the leading axes."""
    width = x.shape[-1]
    if width > WIDEST:
        raise ValueError(f"a row of at most {WIDEST} entries is normed on a GPU; got {width}")
    normed_ND, sum_ND = torch.ops.frontier.residual_norm(
        x.reshape(-1, width), residual.reshape(-1, width), weight_D, bias_D, eps, centred
    )
    return normed_ND.view(x.shape), sum_ND.view(x.shape)


def checked(
    name: str, x: Tensor, residual: Tensor, weight_D: Tensor | None, bias_D: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """The operands; under autocast in float32, as torch norms are.

    Raises:
        ValueError: shapes, dtypes or devices do not fit together.
    """
    shape = x.shape
    fit = x.ndim and shape[-1] and residual.shape == shape
    if not fit or any(given is not None and given.shape != shape[-1:] for given in (weight_D, bias_D)):
        operands = {"x": x, "residual": residual, "weight": weight_D, "bias": bias_D}
        said = ", ".join(f"{key} {tuple(given.shape)}" for key, given in operands.items() if given is not None)
        raise ValueError(f"{name} takes x and residual (..., D), and what scales or shifts them (D,); got {said}")
    if not x.is_floating_point():
        raise ValueError(f"{name} takes floating point; got {x.dtype}")
    x, residual, weight_D, bias_D = autocasted(x, residual, weight_D, bias_D, dtype=torch.float32)
    same_place(name, x=x, residual=residual, weight=weight_D, bias=bias_D)
    return x, residual, weight_D, bias_D
