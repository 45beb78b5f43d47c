"""What the kernels' conformance suite asks of a kernel: one case, one line in the table of `cases`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# The sizes of one example, in the order that the case's `inputs` takes them.
Size = tuple[int, ...]
# What is differentiable, first in the call, and the rest of its arguments.
Inputs = tuple[list[Tensor], list[Any]]


@dataclass(frozen=True)
class Case:
    """One function of `frontier.kernels` and how it is tried."""

    name: str
    """That of the function, and what tells its cases apart: "causal_conv1d-gated"."""

    ours: Callable[..., Any]
    """Returns a tensor or a tuple of tensors."""

    reference: Callable[..., Any]
    """Its definition: run in float64 it is the truth, in another dtype what plain torch makes of it."""

    inputs: Callable[[Size, torch.dtype], Inputs]
    """Fresh random arguments on the default device."""

    sizes: tuple[Size, ...]
    """Odd ones by hand: one token, empty groups, all tokens to one expert, more than a tile, less than a tile."""

    bounds: tuple[tuple[int, int], ...]
    """Least and largest of each size: random sizes are drawn between them."""

    plain: Callable[..., Any] | None = None
    """What plain torch makes of it, where that is not its definition: a loop over tokens is nobody's way to train."""

    fits: Callable[[Size], bool] = lambda size: True
    """Whether random sizes go together, such as a head count that divides another."""

    backward: bool = True
    """Whether gradients are asked for; what only decodes has none."""

    repeats: bool = True
    """Whether two runs give the same bits: so for all that add nothing up by atomics."""

    triton: bool = True
    """Whether kernels of ours run: what chooses among kernels of torch has none to interpret."""


def run(function: Callable[..., Any], tensors: list[Tensor], rest: list[Any], backward: bool) -> dict[str, Tensor]:
    """Outputs and, against random cotangents that depend on their shapes alone, every gradient, by name."""
    leaves = [tensor.detach().requires_grad_(backward) for tensor in tensors]
    outputs = function(*leaves, *rest)
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    found = {f"output {i}": output.detach() for i, output in enumerate(outputs)}
    if backward:
        grads = torch.autograd.grad(outputs, leaves, [cotangent(output, i) for i, output in enumerate(outputs)])
        found |= {f"gradient of argument {i}": grad for i, grad in enumerate(grads)}
    return found


def cotangent(output: Tensor, seed: int) -> Tensor:
    """The same numbers for every dtype: those of the narrowest."""
    random = torch.Generator().manual_seed(seed)
    narrow = torch.randn(output.shape, generator=random, device="cpu").to(torch.bfloat16)
    return narrow.to(output.device, output.dtype)


def widened(values: list[Any]) -> list[Any]:
    """Floating point as float64, all else as it is."""
    return [x.double() if isinstance(x, Tensor) and x.is_floating_point() else x for x in values]
