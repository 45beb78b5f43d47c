"""Depthwise causal convolution, (batch, tokens, channels, kernel size, whether gated, whether activated)."""

from __future__ import annotations

import torch
from torch import Tensor

from frontier.kernels.causal_conv1d import (
    causal_conv1d,
    causal_conv1d_reference,
    causal_conv1d_step,
    causal_conv1d_step_reference,
)

from ..case import Case, Inputs, Size

# One token, odd tokens, more channels than a tile, a filter longer than the sequence, no sequence, more than a tile.
SIZES = (
    (1, 1, 1, 2, 1, 1),
    (2, 63, 5, 4, 0, 1),
    (1, 33, 130, 3, 1, 0),
    (1, 9, 3, 15, 1, 1),
    (0, 5, 3, 4, 1, 0),
    (3, 70, 64, 7, 0, 0),
)


def inputs(size: Size, dtype: torch.dtype) -> Inputs:
    """Views with gaps between their rows, such as one makes of wider tensors."""
    batch, tokens, channels, kernel_size, gated, silu = size
    x_BTC, gate_BTC = torch.randn(batch, tokens, 2, channels).to(dtype).unbind(2)
    filter_CK = torch.randn(channels, kernel_size + 1).to(dtype)[:, 1:]
    return [x_BTC, filter_CK, *([gate_BTC] if gated else [])], [bool(silu)]


def step_inputs(size: Size, dtype: torch.dtype) -> Inputs:
    batch, channels, kernel_size, gated, silu = size
    (x_BTC, filter_CK, *gate), rest = inputs((batch, kernel_size, channels, kernel_size, gated, silu), dtype)
    return [x_BTC[:, -1], filter_CK, x_BTC[:, :-1], *(part[:, -1] for part in gate)], rest


def ungated(function: object) -> object:
    """The function, where its gate may be missing before the last argument."""

    def called(*given: Tensor | bool) -> Tensor | tuple[Tensor, ...]:
        *tensors, silu = given
        return function(*tensors, silu=silu)  # type: ignore[operator]

    return called


CASES = [
    Case(
        name="causal_conv1d",
        ours=ungated(causal_conv1d),
        reference=ungated(causal_conv1d_reference),
        inputs=inputs,
        sizes=SIZES,
        bounds=((1, 2), (1, 20), (1, 40), (2, 4), (0, 1), (0, 1)),
    ),
    Case(
        name="causal_conv1d_step",
        ours=ungated(causal_conv1d_step),
        reference=ungated(causal_conv1d_step_reference),
        inputs=step_inputs,
        sizes=((1, 1, 2, 1, 1), (3, 5, 15, 0, 1), (0, 4, 4, 1, 0), (2, 300, 4, 1, 0)),
        bounds=((1, 3), (1, 300), (2, 15), (0, 1), (0, 1)),
        backward=False,
    ),
]
