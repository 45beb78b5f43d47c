"""Depthwise causal convolution over tokens: y[b, t, c] = sum over k of filter[c, k] * x[b, t - K + 1 + k, c].

B batch, T tokens, C channels, K kernel size. Tokens before the first count as zero.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

BLOCK_T = 32
BLOCK_C = 64


def causal_conv1d_reference(x_BTC: Tensor, filter_CK: Tensor) -> Tensor:
    """Filter every channel by itself over the last K tokens; tokens before the first count as zero."""
    channels, kernel_size = filter_CK.shape
    padded_BCT = F.pad(x_BTC.transpose(1, 2), (kernel_size - 1, 0))
    return F.conv1d(padded_BCT, filter_CK.unsqueeze(1), groups=channels).transpose(1, 2)


@triton.jit
def _convolve_kernel(
    p_x, p_filter, p_y, tokens, channels,
    K: tl.constexpr, REVERSED: tl.constexpr, b_T: tl.constexpr, b_C: tl.constexpr,
):  # fmt: skip
    """One (b_T, b_C) tile of one sequence. REVERSED looks ahead instead of back, which is the gradient of x."""
    i_batch, i_tile_t, i_tile_c = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    i_t = i_tile_t * b_T + tl.arange(0, b_T)
    i_c = i_tile_c * b_C + tl.arange(0, b_C)
    p_sequence = p_x + i_batch * tokens * channels
    b_y = tl.zeros((b_T, b_C), dtype=tl.float32)
    for k in tl.static_range(K):
        i_source = i_t + (K - 1 - k) if REVERSED else i_t - (K - 1 - k)
        inside = (i_source >= 0) & (i_source < tokens)
        mask = inside[:, None] & (i_c < channels)[None, :]
        b_x = tl.load(p_sequence + i_source[:, None].to(tl.int64) * channels + i_c[None, :], mask=mask, other=0.0)
        b_w = tl.load(p_filter + i_c * K + k, mask=i_c < channels, other=0.0)
        b_y += b_x.to(tl.float32) * b_w.to(tl.float32)[None, :]
    mask = (i_t < tokens)[:, None] & (i_c < channels)[None, :]
    p_out = p_y + i_batch * tokens * channels + i_t[:, None].to(tl.int64) * channels + i_c[None, :]
    tl.store(p_out, b_y.to(p_y.dtype.element_ty), mask=mask)


@triton.jit
def _filter_gradient_kernel(
    p_x, p_grad_y, p_grad_filter, tokens, channels,
    K: tl.constexpr, b_T: tl.constexpr, b_C: tl.constexpr,
):  # fmt: skip
    """The filter's gradient from one sequence and b_C channels: no atomics, so the same bits every time."""
    i_batch, i_tile_c = tl.program_id(0).to(tl.int64), tl.program_id(1)
    i_c = i_tile_c * b_C + tl.arange(0, b_C)
    p_sequence = i_batch * tokens * channels
    for k in tl.static_range(K):
        b_sum = tl.zeros((b_C,), dtype=tl.float32)
        for i_start in range(0, tokens, b_T):
            i_t = i_start + tl.arange(0, b_T)
            i_source = i_t - (K - 1 - k)
            mask_c = (i_c < channels)[None, :]
            b_grad = tl.load(
                p_grad_y + p_sequence + i_t[:, None].to(tl.int64) * channels + i_c[None, :],
                mask=(i_t < tokens)[:, None] & mask_c, other=0.0,
            )  # fmt: skip
            b_x = tl.load(
                p_x + p_sequence + i_source[:, None].to(tl.int64) * channels + i_c[None, :],
                mask=((i_source >= 0) & (i_t < tokens))[:, None] & mask_c, other=0.0,
            )  # fmt: skip
            b_sum += tl.sum(b_grad.to(tl.float32) * b_x.to(tl.float32), axis=0)
        tl.store(p_grad_filter + (i_batch * channels + i_c) * K + k, b_sum, mask=i_c < channels)


def launch_convolve(x_BTC: Tensor, filter_CK: Tensor, look_ahead: bool = False) -> Tensor:
    """Run the Triton kernel. `look_ahead` mirrors it in time.

    Raises:
        ValueError: the shapes do not fit together.
    """
    _check(x_BTC, filter_CK)
    x_BTC, filter_CK = x_BTC.contiguous(), filter_CK.contiguous()
    batch, tokens, channels = x_BTC.shape
    y_BTC = torch.empty_like(x_BTC)
    grid = (batch, triton.cdiv(tokens, BLOCK_T), triton.cdiv(channels, BLOCK_C))
    _convolve_kernel[grid](
        x_BTC, filter_CK, y_BTC, tokens, channels,
        K=filter_CK.shape[1], REVERSED=look_ahead, b_T=BLOCK_T, b_C=BLOCK_C,
    )  # fmt: skip
    return y_BTC


def launch_filter_gradient(x_BTC: Tensor, grad_y_BTC: Tensor, kernel_size: int) -> Tensor:
    """Gradient of the filter, (C, K) in float32."""
    x_BTC, grad_y_BTC = x_BTC.contiguous(), grad_y_BTC.contiguous()
    batch, tokens, channels = x_BTC.shape
    partial_BCK = torch.empty(batch, channels, kernel_size, dtype=torch.float32, device=x_BTC.device)
    grid = (batch, triton.cdiv(channels, BLOCK_C))
    _filter_gradient_kernel[grid](
        x_BTC, grad_y_BTC, partial_BCK, tokens, channels, K=kernel_size, b_T=BLOCK_T, b_C=BLOCK_C
    )
    return partial_BCK.sum(dim=0)


@torch.library.custom_op("frontier::causal_conv1d", mutates_args=(), device_types="cuda")
def _convolve(x_BTC: Tensor, filter_CK: Tensor) -> Tensor:
    return launch_convolve(x_BTC, filter_CK)


@_convolve.register_fake
def _(x_BTC: Tensor, filter_CK: Tensor) -> Tensor:
    return torch.empty(x_BTC.shape, dtype=x_BTC.dtype, device=x_BTC.device)


@torch.library.custom_op("frontier::causal_conv1d_backward", mutates_args=(), device_types="cuda")
def _convolve_backward(x_BTC: Tensor, filter_CK: Tensor, grad_y_BTC: Tensor) -> tuple[Tensor, Tensor]:
    grad_x_BTC = launch_convolve(grad_y_BTC, filter_CK, look_ahead=True)
    return grad_x_BTC, launch_filter_gradient(x_BTC, grad_y_BTC, filter_CK.shape[1]).to(filter_CK.dtype)


@_convolve_backward.register_fake
def _(x_BTC: Tensor, filter_CK: Tensor, grad_y_BTC: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(grad_y_BTC), torch.empty_like(filter_CK)


def _save_inputs(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad_y_BTC: Tensor) -> tuple[Tensor, Tensor]:
    return torch.ops.frontier.causal_conv1d_backward(*ctx.saved_tensors, grad_y_BTC)


_convolve.register_autograd(_backward, setup_context=_save_inputs)


@register_flop_formula(torch.ops.frontier.causal_conv1d)
def _flops(x_shape: list[int], filter_shape: list[int], *args: Any, **kwargs: Any) -> int:
    batch, tokens, channels = x_shape
    return 2 * batch * tokens * channels * filter_shape[1]


def causal_conv1d(x_BTC: Tensor, filter_CK: Tensor) -> Tensor:
    """Depthwise causal convolution, (B, T, C) with (C, K) to (B, T, C): Triton on a GPU, torch's convolution elsewhere.

    Raises:
        ValueError: the shapes do not fit together.
    """
    _check(x_BTC, filter_CK)
    return (
        torch.ops.frontier.causal_conv1d(x_BTC, filter_CK)
        if x_BTC.is_cuda
        else causal_conv1d_reference(x_BTC, filter_CK)
    )


def causal_conv1d_step(x_BC: Tensor, filter_CK: Tensor, recent_BKC: Tensor) -> tuple[Tensor, Tensor]:
    """One token: its output (B, C), and the last K - 1 inputs, oldest first, with this one among them."""
    seen_BKC = torch.cat((recent_BKC, x_BC.unsqueeze(1)), dim=1)
    return (seen_BKC * filter_CK.T).sum(dim=1), seen_BKC[:, 1:]


def _check(x_BTC: Tensor, filter_CK: Tensor) -> None:
    if x_BTC.ndim != 3 or filter_CK.ndim != 2 or x_BTC.shape[2] != filter_CK.shape[0]:
        raise ValueError(
            f"causal_conv1d takes x (B, T, C) and filter (C, K); got {tuple(x_BTC.shape)} and {tuple(filter_CK.shape)}"
        )
