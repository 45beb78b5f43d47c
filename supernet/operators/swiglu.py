"""SwiGLU feed-forward.  B batch, T tokens, D width, F inner."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ...search_space.operators import SwiGLU


class SwiGLUModule(nn.Module):
    axes = {
        "gate.weight": ("inner", "width"),
        "up.weight": ("inner", "width"),
        "down.weight": ("width", "inner"),
    }
    reads = ("gate", "up")
    writes = ("down",)

    def __init__(self, spec: SwiGLU, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, spec.inner, bias=False)
        self.up = nn.Linear(width, spec.inner, bias=False)
        self.down = nn.Linear(spec.inner, width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x_BTD)) * self.up(x_BTD))
