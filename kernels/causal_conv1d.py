"""Depthwise causal convolution over tokens: z[b, t, c] = sum over k of filter[c, k] * x[b, t - K + 1 + k, c].

Its output is z, or silu(z), either of them times silu(gate) where a gate is given. B batch, T tokens, C channels, K
kernel size. Tokens before the first count as zero.
"""
# Triton's compiler adds tuples and cannot unpack them.
# ruff: noqa: RUF005

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .autocast import autocasted
from .launching import by_triton, dtype_name, same_place
from .tuning import Config, Tuning, bucket

# A tile of the output reads its input K times, but from memory once: the shifted tiles overlap in the cache.
FORWARD = Tuning(
    "causal_conv1d",
    {"b_T": 32, "b_C": 64, "num_warps": 4},
    {"b_T": 16, "b_C": 128, "num_warps": 4},
    {"b_T": 8, "b_C": 256, "num_warps": 4},
    {"b_T": 64, "b_C": 64, "num_warps": 8},
    {"b_T": 32, "b_C": 128, "num_warps": 8},
    {"b_T": 64, "b_C": 32, "num_warps": 4},
)
# Of b_S segments of b_T tokens, one after the other in time within a segment, all segments of a program at once.
# Short ones where every operation is a call of the interpreter.
BACKWARD = Tuning(
    "causal_conv1d_backward",
    {"b_S": 2, "b_T": 64, "b_C": 128, "num_warps": 2},
    {"b_S": 4, "b_T": 32, "b_C": 128, "num_warps": 4},
    {"b_S": 2, "b_T": 64, "b_C": 256, "num_warps": 4},
    {"b_S": 4, "b_T": 64, "b_C": 64, "num_warps": 2},
    {"b_S": 4, "b_T": 128, "b_C": 64, "num_warps": 4},
    interpreted={"b_S": 8, "b_T": 8, "b_C": 128},
)
STEP = Tuning("causal_conv1d_step", {"b_C": 256, "num_warps": 2}, {"b_C": 128, "num_warps": 1})


def causal_conv1d_reference(
    x_BTC: Tensor, filter_CK: Tensor, gate_BTC: Tensor | None = None, silu: bool = False
) -> Tensor:
    """Filter every channel by itself over the last K tokens; tokens before the first count as zero."""
    channels, kernel_size = filter_CK.shape
    padded_BCT = F.pad(x_BTC.transpose(1, 2), (kernel_size - 1, 0))
    y_BTC = F.conv1d(padded_BCT, filter_CK.unsqueeze(1), groups=channels).transpose(1, 2)
    y_BTC = F.silu(y_BTC) if silu else y_BTC
    return y_BTC if gate_BTC is None else F.silu(gate_BTC) * y_BTC


def causal_conv1d_step_reference(
    x_BC: Tensor, filter_CK: Tensor, recent_BKC: Tensor, gate_BC: Tensor | None = None, silu: bool = False
) -> tuple[Tensor, Tensor]:
    """One token, by what the last K - 1 were."""
    seen_BKC = torch.cat((recent_BKC, x_BC.unsqueeze(1)), dim=1)
    y_BC = (seen_BKC * filter_CK.T).sum(dim=1)
    y_BC = F.silu(y_BC) if silu else y_BC
    return y_BC if gate_BC is None else F.silu(gate_BC) * y_BC, seen_BKC[:, 1:]


@triton.jit
def _silu(b_x):
    """With one rounding less than the product with a sigmoid has."""
    return b_x / (1 + tl.exp(-b_x))


@triton.jit
def _convolve_kernel(
    p_x, p_filter, p_gate, p_y, tokens, channels,
    x_stride_B, x_stride_T, gate_stride_B, gate_stride_T, filter_stride_C, filter_stride_K,
    K: tl.constexpr, SILU: tl.constexpr, b_T: tl.constexpr, b_C: tl.constexpr,
):  # fmt: skip
    """One (b_T, b_C) tile of one sequence."""
    tiles = tl.cdiv(tokens, b_T)
    i_batch = (tl.program_id(0) // tiles).to(tl.int64)
    i_first = (tl.program_id(0) % tiles).to(tl.int64) * b_T
    i_row = tl.arange(0, b_T)
    i_t = i_first + i_row
    i_c = tl.program_id(1) * b_C + tl.arange(0, b_C)
    in_C = i_c < channels
    inside = (i_t < tokens)[:, None] & in_C[None, :]
    p_x += i_batch * x_stride_B + i_first * x_stride_T
    b_y = tl.zeros((b_T, b_C), dtype=tl.float32)
    for k in tl.static_range(K):
        i_source = i_row - (K - 1 - k)
        b_x = tl.load(
            p_x + i_source[:, None] * x_stride_T + i_c[None, :],
            mask=inside & (i_t >= K - 1 - k)[:, None], other=0.0,
        )  # fmt: skip
        b_w = tl.load(p_filter + i_c * filter_stride_C + k * filter_stride_K, mask=in_C, other=0.0)
        b_y += b_x.to(tl.float32) * b_w.to(tl.float32)[None, :]
    if SILU:
        b_y = _silu(b_y)
    if p_gate is not None:
        p_gate += i_batch * gate_stride_B + i_first * gate_stride_T
        b_g = tl.load(p_gate + i_row[:, None] * gate_stride_T + i_c[None, :], mask=inside, other=0.0).to(tl.float32)
        b_y *= _silu(b_g)
    p_y += (i_batch * tokens + i_first) * channels
    tl.store(p_y + i_row[:, None] * channels + i_c[None, :], b_y.to(p_y.dtype.element_ty), mask=inside)


@triton.jit
def _gradients_kernel(
    p_x, p_filter, p_gate, p_grad_y, p_grad_x, p_grad_gate, p_partial, batch, tokens, channels,
    x_stride_B, x_stride_T, gate_stride_B, gate_stride_T, grad_stride_B, grad_stride_T,
    filter_stride_C, filter_stride_K,
    K: tl.constexpr, SILU: tl.constexpr, b_S: tl.constexpr, b_T: tl.constexpr, b_C: tl.constexpr,
):  # fmt: skip
    """All gradients of b_S segments of b_T tokens, b_C channels. The filter's is what these segments add to it.

    It goes through time with the last K inputs and the last K gradients of z in registers: every number is read once,
    but for those K - 1 tokens around a segment.
    """
    segments = tl.cdiv(tokens, b_T)
    i_segment = tl.program_id(0) * b_S + tl.arange(0, b_S)
    i_batch = (i_segment // segments).to(tl.int64)
    i_first = (i_segment % segments) * b_T
    i_c = tl.program_id(1) * b_C + tl.arange(0, b_C)
    in_C = i_c < channels
    exists = (i_batch < batch)[:, None] & in_C[None, :]
    b_p_x = p_x + (i_batch * x_stride_B + i_first.to(tl.int64) * x_stride_T)[:, None] + i_c[None, :]
    b_p_grad_y = p_grad_y + (i_batch * grad_stride_B + i_first.to(tl.int64) * grad_stride_T)[:, None] + i_c[None, :]
    own = ((i_batch * tokens + i_first) * channels)[:, None] + i_c[None, :]
    b_p_grad_x = p_grad_x + own
    if p_gate is not None:
        b_p_gate = p_gate + (i_batch * gate_stride_B + i_first.to(tl.int64) * gate_stride_T)[:, None] + i_c[None, :]
        b_p_grad_gate = p_grad_gate + own
    filter_of, sums, grads, seen = (), (), (), (tl.zeros((b_S, b_C), dtype=tl.float32),)
    for k in tl.static_range(K):
        b_w = tl.load(p_filter + i_c * filter_stride_C + k * filter_stride_K, mask=in_C, other=0.0)
        filter_of = filter_of + (b_w.to(tl.float32)[None, :],)  # type: ignore[assignment]
        sums = sums + (tl.zeros((b_S, b_C), dtype=tl.float32),)  # type: ignore[assignment]
        grads = grads + (tl.zeros((b_S, b_C), dtype=tl.float32),)  # type: ignore[assignment]
    for k in tl.static_range(K - 1):
        before = exists & (i_first >= K - 1 - k)[:, None]
        b_x = tl.load(b_p_x - (K - 1 - k) * x_stride_T, mask=before, other=0.0)
        seen = seen + (b_x.to(tl.float32),)  # type: ignore[assignment]
    for step in range(b_T + K - 1):
        # Past the segment's end, z is another segment's: here only what reaches back to our inputs counts.
        inside = exists & (i_first + step < tokens)[:, None]
        ours = inside & (step < b_T)
        b_x = tl.load(b_p_x + step * x_stride_T, mask=inside, other=0.0)
        b_grad = tl.load(b_p_grad_y + step * grad_stride_T, mask=inside, other=0.0).to(tl.float32)
        seen = seen[1:] + (b_x.to(tl.float32),)
        if SILU or p_gate is not None:
            b_z = tl.zeros((b_S, b_C), dtype=tl.float32)
            for k in tl.static_range(K):
                b_z += filter_of[k] * seen[k]
            b_sigmoid = tl.sigmoid(b_z)
        if p_gate is not None:
            b_g = tl.load(b_p_gate + step * gate_stride_T, mask=inside, other=0.0).to(tl.float32)
            b_open = tl.sigmoid(b_g)
            b_y = b_z * b_sigmoid if SILU else b_z
            b_grad_g = b_grad * b_y * b_open * (1 + b_g * (1 - b_open))
            tl.store(b_p_grad_gate + step * channels, b_grad_g.to(p_grad_gate.dtype.element_ty), mask=ours)
            b_grad *= b_g * b_open
        if SILU:
            b_grad *= b_sigmoid * (1 + b_z * (1 - b_sigmoid))
        grads = grads[1:] + (b_grad,)  # type: ignore[assignment]
        b_own = tl.where(ours, b_grad, 0.0)
        b_grad_x = tl.zeros((b_S, b_C), dtype=tl.float32)
        added = ()
        for k in tl.static_range(K):
            added = added + (sums[k] + b_own * seen[k],)  # type: ignore[assignment]
            b_grad_x += filter_of[K - 1 - k] * grads[k]
        sums = added
        back = step - (K - 1)
        reached = exists & (back >= 0) & (i_first + back < tokens)[:, None]
        tl.store(b_p_grad_x + back * channels, b_grad_x.to(p_grad_x.dtype.element_ty), mask=reached)
    p_partial += tl.program_id(0).to(tl.int64) * K * channels
    for k in tl.static_range(K):
        tl.store(p_partial + k * channels + i_c, tl.sum(sums[k], axis=0), mask=in_C)


@triton.jit
def _step_kernel(
    p_x, p_filter, p_recent, p_gate, p_y, p_recent_out, channels,
    x_stride_B, gate_stride_B, recent_stride_B, recent_stride_K, filter_stride_C, filter_stride_K,
    K: tl.constexpr, SILU: tl.constexpr, b_C: tl.constexpr,
):  # fmt: skip
    """One token of one sequence, b_C channels: the recent inputs move on by one as they are read."""
    i_batch = tl.program_id(0).to(tl.int64)
    i_c = tl.program_id(1) * b_C + tl.arange(0, b_C)
    in_C = i_c < channels
    p_recent += i_batch * recent_stride_B
    p_recent_out += i_batch * (K - 1) * channels
    b_y = tl.zeros((b_C,), dtype=tl.float32)
    for k in tl.static_range(K):
        if k < K - 1:
            b_x = tl.load(p_recent + k * recent_stride_K + i_c, mask=in_C, other=0.0)
        else:
            b_x = tl.load(p_x + i_batch * x_stride_B + i_c, mask=in_C, other=0.0)
        if k > 0:
            tl.store(p_recent_out + (k - 1) * channels + i_c, b_x, mask=in_C)
        b_w = tl.load(p_filter + i_c * filter_stride_C + k * filter_stride_K, mask=in_C, other=0.0)
        b_y += b_x.to(tl.float32) * b_w.to(tl.float32)
    if SILU:
        b_y = _silu(b_y)
    if p_gate is not None:
        b_g = tl.load(p_gate + i_batch * gate_stride_B + i_c, mask=in_C, other=0.0).to(tl.float32)
        b_y *= _silu(b_g)
    tl.store(p_y + i_batch * channels + i_c, b_y.to(p_y.dtype.element_ty), mask=in_C)


def _by_rows(x: Tensor) -> Tensor:
    """Channels next to each other; anything else may lie as it does."""
    return x if x.stride(-1) == 1 else x.contiguous()


def _strides(x: Tensor | None) -> tuple[int, ...]:
    return (0, 0) if x is None else x.stride()[:-1]


@torch.library.custom_op("frontier::causal_conv1d", mutates_args=())
def _convolve(x_BTC: Tensor, filter_CK: Tensor, gate_BTC: Tensor | None, silu: bool) -> Tensor:
    x_BTC = _by_rows(x_BTC)
    gate_BTC = None if gate_BTC is None else _by_rows(gate_BTC)
    (batch, tokens, channels), kernel_size = x_BTC.shape, filter_CK.shape[1]
    y_BTC = x_BTC.new_empty(x_BTC.shape)

    def run(config: Config) -> None:
        grid = (batch * triton.cdiv(tokens, config["b_T"]), triton.cdiv(channels, config["b_C"]))
        _convolve_kernel[grid](
            x_BTC, filter_CK, gate_BTC, y_BTC, tokens, channels,
            *_strides(x_BTC), *_strides(gate_BTC), *filter_CK.stride(), K=kernel_size, SILU=silu, **config,
        )  # fmt: skip

    key = (bucket(batch * tokens), bucket(channels), kernel_size, x_BTC.dtype, gate_BTC is not None, silu)
    FORWARD.launch(run, x_BTC.device, *key)
    return y_BTC


@_convolve.register_fake
def _(x_BTC: Tensor, filter_CK: Tensor, gate_BTC: Tensor | None, silu: bool) -> Tensor:
    return x_BTC.new_empty(x_BTC.shape)


@torch.library.custom_op("frontier::causal_conv1d_backward", mutates_args=())
def _convolve_backward(
    grad_y_BTC: Tensor, x_BTC: Tensor, filter_CK: Tensor, gate_BTC: Tensor | None, silu: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, filter and gate; that of no gate is empty."""
    grad_y_BTC, x_BTC = _by_rows(grad_y_BTC), _by_rows(x_BTC)
    gate_BTC = None if gate_BTC is None else _by_rows(gate_BTC)
    (batch, tokens, channels), kernel_size = x_BTC.shape, filter_CK.shape[1]
    grad_x_BTC = x_BTC.new_empty(x_BTC.shape)
    grad_gate_BTC = x_BTC.new_empty(0 if gate_BTC is None else gate_BTC.shape)
    grad_filter_CK = filter_CK.new_empty(filter_CK.shape)

    def run(config: Config) -> None:
        parts = triton.cdiv(batch * triton.cdiv(tokens, config["b_T"]), config["b_S"])
        partial_PKC = x_BTC.new_empty(parts, kernel_size, channels, dtype=torch.float32)
        _gradients_kernel[(parts, triton.cdiv(channels, config["b_C"]))](
            x_BTC, filter_CK, gate_BTC, grad_y_BTC, grad_x_BTC, grad_gate_BTC, partial_PKC, batch, tokens, channels,
            *_strides(x_BTC), *_strides(gate_BTC), *_strides(grad_y_BTC), *filter_CK.stride(),
            K=kernel_size, SILU=silu, **config,
        )  # fmt: skip
        grad_filter_CK.copy_(partial_PKC.sum(dim=0).T)

    key = (bucket(batch * tokens), bucket(channels), kernel_size, x_BTC.dtype, gate_BTC is not None, silu)
    BACKWARD.launch(run, x_BTC.device, *key)
    return grad_x_BTC, grad_filter_CK, grad_gate_BTC


@_convolve_backward.register_fake
def _(
    grad_y_BTC: Tensor, x_BTC: Tensor, filter_CK: Tensor, gate_BTC: Tensor | None, silu: bool
) -> tuple[Tensor, Tensor, Tensor]:
    grad_gate_BTC = x_BTC.new_empty(0 if gate_BTC is None else gate_BTC.shape)
    return x_BTC.new_empty(x_BTC.shape), filter_CK.new_empty(filter_CK.shape), grad_gate_BTC


@torch.library.custom_op("frontier::causal_conv1d_step", mutates_args=())
def _step(
    x_BC: Tensor, filter_CK: Tensor, recent_BKC: Tensor, gate_BC: Tensor | None, silu: bool
) -> tuple[Tensor, Tensor]:
    x_BC, recent_BKC = _by_rows(x_BC), _by_rows(recent_BKC)
    gate_BC = None if gate_BC is None else _by_rows(gate_BC)
    batch, channels = x_BC.shape
    y_BC, recent_out_BKC = x_BC.new_empty(x_BC.shape), x_BC.new_empty(recent_BKC.shape)

    def run(config: Config) -> None:
        _step_kernel[(batch, triton.cdiv(channels, config["b_C"]))](
            x_BC, filter_CK, recent_BKC, gate_BC, y_BC, recent_out_BKC, channels,
            x_BC.stride(0), 0 if gate_BC is None else gate_BC.stride(0), *_strides(recent_BKC), *filter_CK.stride(),
            K=filter_CK.shape[1], SILU=silu, **config,
        )  # fmt: skip

    STEP.launch(run, x_BC.device, bucket(batch), bucket(channels), filter_CK.shape[1], x_BC.dtype)
    return y_BC, recent_out_BKC


@_step.register_fake
def _(x_BC: Tensor, filter_CK: Tensor, recent_BKC: Tensor, gate_BC: Tensor | None, silu: bool) -> tuple[Tensor, Tensor]:
    return x_BC.new_empty(x_BC.shape), x_BC.new_empty(recent_BKC.shape)


def _save_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.silu = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad_y_BTC: Tensor) -> tuple[Tensor | None, ...]:
    x_BTC, filter_CK, gate_BTC = ctx.saved_tensors
    grad_x_BTC, grad_filter_CK, grad_gate_BTC = torch.ops.frontier.causal_conv1d_backward(
        grad_y_BTC, x_BTC, filter_CK, gate_BTC, ctx.silu
    )
    return grad_x_BTC, grad_filter_CK, None if gate_BTC is None else grad_gate_BTC, None


_convolve.register_autograd(_backward, setup_context=_save_inputs)


@register_flop_formula(torch.ops.frontier.causal_conv1d)
def _flops(x_shape: list[int], filter_shape: list[int], *args: Any, **kwargs: Any) -> int:
    batch, tokens, channels = x_shape
    return 2 * batch * tokens * channels * filter_shape[1]


@register_flop_formula(torch.ops.frontier.causal_conv1d_backward)
def _backward_flops(grad: list[int], x: list[int], filter: list[int], *args: Any, **kwargs: Any) -> int:
    return 2 * _flops(x, filter)


@register_flop_formula(torch.ops.frontier.causal_conv1d_step)
def _step_flops(x_shape: list[int], filter_shape: list[int], *args: Any, **kwargs: Any) -> int:
    return 2 * x_shape[0] * x_shape[1] * filter_shape[1]


def causal_conv1d(x_BTC: Tensor, filter_CK: Tensor, gate_BTC: Tensor | None = None, silu: bool = False) -> Tensor:
    """Depthwise causal convolution, (B, T, C) with (C, K) to (B, T, C): Triton on a GPU, plain torch elsewhere.

    Args:
        gate_BTC: the output is multiplied by its SiLU.
        silu: whether the output of the filter goes through SiLU.

    Raises:
        ValueError: shapes, dtypes or devices do not fit together. Float64 goes by plain torch everywhere.
    """
    _check(x_BTC, filter_CK, gate_BTC)
    if by_triton(x_BTC) and x_BTC.dtype != torch.float64:
        return _convolve(*autocasted(x_BTC, filter_CK, gate_BTC), silu)
    return causal_conv1d_reference(x_BTC, filter_CK, gate_BTC, silu)


def causal_conv1d_step(
    x_BC: Tensor, filter_CK: Tensor, recent_BKC: Tensor, gate_BC: Tensor | None = None, silu: bool = False
) -> tuple[Tensor, Tensor]:
    """One token: its output (B, C), and the last K - 1 inputs, oldest first, with this one among them.

    Raises:
        ValueError: shapes, dtypes or devices do not fit together. Plain torch looks for itself: a step is short.
    """
    if by_triton(x_BC) and x_BC.dtype != torch.float64:
        _check_step(x_BC, filter_CK, recent_BKC, gate_BC)
        return _step(*autocasted(x_BC, filter_CK, recent_BKC, gate_BC), silu)
    return causal_conv1d_step_reference(x_BC, filter_CK, recent_BKC, gate_BC, silu)


def _check(x_BTC: Tensor, filter_CK: Tensor, gate_BTC: Tensor | None) -> None:
    fits = x_BTC.ndim == 3 and filter_CK.ndim == 2 and x_BTC.shape[2] == filter_CK.shape[0] and x_BTC.shape[1] >= 1
    if not fits or (gate_BTC is not None and gate_BTC.shape != x_BTC.shape):
        gated = "" if gate_BTC is None else f" and a gate {tuple(gate_BTC.shape)}"
        raise ValueError(
            "causal_conv1d takes x (B, T, C), T at least 1, filter (C, K) and a gate shaped as x; "
            f"got {tuple(x_BTC.shape)} and {tuple(filter_CK.shape)}{gated}"
        )
    _check_places(x_BTC, filter=filter_CK, gate=gate_BTC)


def _check_step(x_BC: Tensor, filter_CK: Tensor, recent_BKC: Tensor, gate_BC: Tensor | None) -> None:
    fits = x_BC.ndim == 2 and filter_CK.ndim == 2 and x_BC.shape[1] == filter_CK.shape[0]
    if (
        not fits
        or recent_BKC.shape != (len(x_BC), filter_CK.shape[1] - 1, x_BC.shape[1])
        or (gate_BC is not None and gate_BC.shape != x_BC.shape)
    ):
        given = [tuple(part.shape) for part in (x_BC, filter_CK, recent_BKC, gate_BC) if part is not None]
        raise ValueError(
            "causal_conv1d_step takes x (B, C), filter (C, K), the recent inputs (B, K - 1, C) and a gate shaped as x; "
            f"got {', '.join(str(shape) for shape in given)}"
        )
    _check_places(x_BC, filter=filter_CK, recent=recent_BKC, gate=gate_BC)


def _check_places(x: Tensor, **others: Tensor | None) -> None:
    if not x.is_floating_point():
        raise ValueError(f"causal_conv1d takes floating point; got x {dtype_name(x.dtype)}")
    # Autocast gives the kernel one dtype, whatever these are.
    if not torch.is_autocast_enabled(x.device.type):
        same_place("causal_conv1d", x=x, **others)
