"""Depthwise causal convolution under a gate.

B batch, T tokens, D width, C channels, K kernel size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...kernels.causal_conv1d import causal_conv1d, causal_conv1d_step
from ...search_space.operators import GatedConv


class GatedConvModule(nn.Module):
    axes = {
        "gate.weight": ("channels", "width"),
        "up.weight": ("channels", "width"),
        "filter_CK": ("channels", "kernel_size:last"),
        "down.weight": ("width", "channels"),
    }
    reads = ("gate", "up")
    writes = ("down",)

    def __init__(self, spec: GatedConv, width: int, context: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, spec.channels, bias=False)
        self.up = nn.Linear(width, spec.channels, bias=False)
        self.filter_CK = nn.Parameter(torch.randn(spec.channels, spec.kernel_size) * spec.kernel_size**-0.5)
        self.down = nn.Linear(spec.channels, width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.down(causal_conv1d(self.up(x_BTD), self.filter_CK, gate_BTC=self.gate(x_BTD)))

    def init_state(self, batch_size: int) -> dict:
        """The last K - 1 inputs of the filter, oldest first."""
        channels, kernel_size = self.filter_CK.shape
        shape = (batch_size, kernel_size - 1, channels)
        return {"recent": torch.zeros(shape, dtype=self.filter_CK.dtype, device=self.filter_CK.device)}

    def step(self, x_BD: Tensor, state: dict) -> tuple[Tensor, dict]:
        y_BC, recent_BKC = causal_conv1d_step(self.up(x_BD), self.filter_CK, state["recent"], gate_BC=self.gate(x_BD))
        return self.down(y_BC), {"recent": recent_BKC}
