"""Random inputs and targets: the same token everywhere would send every token to the same experts."""

from __future__ import annotations

import torch
from torch import Tensor

from ...supernet import ImageShape, Shape
from ..workload import Workload


def example_inputs(shape: Shape, workload: Workload) -> Tensor:
    """Token ids (B, T), or (B,) for one decoding step; images (B, C, H, W)."""
    example = shape.example(workload.batch, workload.tokens)
    if isinstance(shape, ImageShape):
        return torch.rand_like(example)
    return torch.randint_like(example, shape.vocab_size)


def example_targets(shape: Shape, workload: Workload) -> Tensor:
    """The next token at every place (B, T), or a class per image (B,)."""
    if isinstance(shape, ImageShape):
        return torch.randint(shape.num_classes, (workload.batch,))
    return torch.randint(shape.vocab_size, (workload.batch, workload.seq_len))
