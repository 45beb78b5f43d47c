"""Norm recalibration: a subnet's norm weights are trained a little by themselves before it is scored.

RMS norms keep no running statistics, so there is nothing to re-estimate as there is for batch norms; what all subnets
share and each would want otherwise is the scale of every channel.  Source: the recalibration of OFA, arXiv 1908.09791.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..search_space import Architecture
from .supernet import Supernet
from .trainer import Batch, cross_entropy

LEARNING_RATE = 0.01


def recalibrated(supernet: Supernet, architecture: Architecture, batches: Sequence[Batch]) -> nn.Module:
    """A copy of a subnet whose norm weights took one step of Adam per batch. The shared weights stay as they are."""
    model = supernet.extract(architecture)
    model.requires_grad_(False)
    norms = [parameter.requires_grad_() for name, parameter in model.named_parameters() if is_norm(name)]
    optimizer = torch.optim.Adam(norms, lr=LEARNING_RATE)
    for inputs, targets in batches:
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    return model


def is_norm(name: str) -> bool:
    """Whether a parameter belongs to a norm: every norm of ours has the word in its attribute's name."""
    return "norm" in name
