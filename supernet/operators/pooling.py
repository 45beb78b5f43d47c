"""Causal average pooling: the mean of the last tokens less the token itself. It has no weights.

B batch, T tokens, D width, W window.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...search_space.operators import Pooling


class PoolingModule(nn.Module):
    axes: dict[str, tuple[str, ...]] = {}
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    count_T1: Tensor

    def __init__(self, spec: Pooling, width: int, context: int) -> None:
        super().__init__()
        self.window = spec.window
        self.width = width
        count_T1 = torch.arange(1, context + 1, device="cpu").clamp(max=spec.window).float().unsqueeze(1)
        self.register_buffer("count_T1", count_T1, persistent=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        tokens = x_BTD.shape[1]
        padded_BTD = F.pad(x_BTD, (0, 0, self.window - 1, 0))
        sum_BTD = padded_BTD[:, :tokens]
        for shift in range(1, self.window):
            sum_BTD = sum_BTD + padded_BTD[:, shift : shift + tokens]
        return sum_BTD / self.count_T1[:tokens] - x_BTD

    def init_state(self, batch_size: int) -> dict:
        """The last W - 1 tokens, oldest first, and the next token's position."""
        shape = (batch_size, self.window - 1, self.width)
        recent_BWD = torch.zeros(shape, dtype=self.count_T1.dtype, device=self.count_T1.device)
        return {"recent": recent_BWD, "position": 0}

    def step(self, x_BD: Tensor, state: dict) -> tuple[Tensor, dict]:
        position = state["position"]
        seen_BWD = torch.cat((state["recent"], x_BD.unsqueeze(1)), dim=1)
        y_BD = seen_BWD.sum(dim=1) / min(position + 1, self.window) - x_BD
        return y_BD, {"recent": seen_BWD[:, 1:], "position": position + 1}
