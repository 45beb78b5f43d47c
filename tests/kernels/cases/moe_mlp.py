"""Mixture of SwiGLU experts, (tokens, width, experts, inner, experts per token)."""

from __future__ import annotations

import torch

from frontier.kernels.moe_mlp import moe_mlp, moe_mlp_reference

from ..case import Case, Inputs, Size

# One token; one expert; most experts without tokens; all experts for every token; odd everything and more than a tile
# of each; so many rows per expert that tiles are the large ones.
SIZES = ((1, 5, 4, 3, 2), (17, 8, 1, 5, 1), (3, 7, 33, 4, 1), (7, 9, 5, 6, 5), (45, 70, 3, 67, 2), (71, 40, 1, 33, 1))


def inputs(size: Size, dtype: torch.dtype) -> Inputs:
    """The experts' weights are slices of larger ones, as a subnet's are."""
    tokens, width, experts, inner, top_k = size
    larger = [(experts + 2, inner + 1, width + 3)] * 2 + [(experts + 2, width + 3, inner + 1)]
    gate, up, down = (torch.randn(shape).to(dtype) for shape in larger)
    tensors = [
        torch.randn(tokens, width).to(dtype),
        gate[:experts, :inner, :width],
        up[:experts, :inner, :width],
        down[:experts, :width, :inner],
        torch.rand(tokens, top_k).to(dtype),
    ]
    return tensors, [torch.rand(tokens, experts).argsort(dim=1)[:, :top_k]]


def all_to_one(size: Size, dtype: torch.dtype) -> Inputs:
    """Every token chooses the last expert."""
    tensors, (chosen_NK,) = inputs((*size, 1), dtype)
    return tensors, [torch.full_like(chosen_NK, size[2] - 1)]


def enough(size: Size) -> bool:
    """Of a few weights' gradients, plain torch rounds all the right way too often; one token is among the sizes."""
    tokens, _, experts, _, top_k = size
    return top_k <= experts and (tokens == 0 or tokens * top_k >= 5)


CASES = [
    Case(
        name="moe_mlp",
        ours=moe_mlp,
        reference=moe_mlp_reference,
        inputs=inputs,
        sizes=SIZES,
        bounds=((0, 6), (1, 20), (1, 2), (1, 20), (1, 2)),
        fits=enough,
    ),
    Case(
        name="moe_mlp-all-to-one",
        ours=moe_mlp,
        reference=moe_mlp_reference,
        inputs=all_to_one,
        sizes=((1, 3, 2, 5), (37, 20, 4, 9)),
        bounds=((19, 19), (9, 9), (4, 4), (7, 7)),
    ),
]
