"""Squared-ReLU feed-forward.  B batch, T tokens, D width, F inner."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ...search_space.operators import SquaredReLU


class SquaredReLUModule(nn.Module):
    axes = {
        "up.weight": ("inner", "width"),
        "down.weight": ("width", "inner"),
    }
    reads = ("up",)
    writes = ("down",)

    def __init__(self, spec: SquaredReLU, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, spec.inner, bias=False)
        self.down = nn.Linear(spec.inner, width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.down(F.relu(self.up(x_BTD)).square())
