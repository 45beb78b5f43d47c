"""Feed-forward in blocks of tokens, (batch, tokens, width, inner, block): gated and not, with each activation."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from frontier.kernels.fused_ffn import fused_ffn, fused_ffn_reference

from ..case import Case, Inputs, Size

# One token; a block that is larger; blocks of one token; a last block that is shorter; more entries than a tile.
SIZES = ((1, 1, 5, 3, 1), (2, 9, 8, 7, 64), (1, 7, 3, 5, 1), (3, 11, 33, 17, 8), (1, 50, 20, 45, 32))


def inputs(size: Size, dtype: torch.dtype, gated: bool) -> Inputs:
    """Weights are slices of larger ones, as a subnet's are."""
    batch, tokens, width, inner, block = size
    shapes = [(inner + 1, width + 3)] * (1 + gated) + [(width + 3, inner + 1)]
    larger = [torch.randn(shape).to(dtype) for shape in shapes]
    weights = [weight[:inner, :width] for weight in larger[:-1]] + [larger[-1][:width, :inner]]
    return [torch.randn(batch, tokens, width).to(dtype), *weights], [block]


def ours(*given: Tensor | int, activation: str) -> Tensor:
    *tensors, block = given
    return fused_ffn(*_with_gate(*tensors), activation, block)


def plain(*given: Tensor | int, activation: str) -> Tensor:
    return fused_ffn_reference(*_with_gate(*given[:-1]), activation)


def _with_gate(x: Tensor, *weights: Tensor) -> tuple[Tensor | None, ...]:
    return (x, *weights) if len(weights) == 3 else (x, None, *weights)


CASES = [
    Case(
        name=f"fused_ffn-{activation}{'-gated' if gated else ''}",
        ours=partial(ours, activation=activation),
        reference=partial(plain, activation=activation),
        inputs=partial(inputs, gated=gated),
        sizes=SIZES,
        bounds=((1, 2), (2, 20), (2, 20), (2, 20), (1, 20)),
    )
    for activation, gated in (("silu", True), ("gelu", False), ("squared_relu", False), ("gelu", True))
]
