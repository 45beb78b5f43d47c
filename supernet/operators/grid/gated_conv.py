"""Gated depthwise convolution over a grid, centred on its place; places beyond the border count as zero.

B batch, H rows, W columns, D width, C channels, K kernel size (odd).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....search_space.operators import GatedConv


class GridGatedConvModule(nn.Module):
    axes = {
        "gate.weight": ("channels", "width"),
        "up.weight": ("channels", "width"),
        "filter_CKK": ("channels", "kernel_size:middle", "kernel_size:middle"),
        "down.weight": ("width", "channels"),
    }

    def __init__(self, spec: GatedConv, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, spec.channels, bias=False)
        self.up = nn.Linear(width, spec.channels, bias=False)
        self.filter_CKK = nn.Parameter(
            torch.randn(spec.channels, spec.kernel_size, spec.kernel_size) / spec.kernel_size
        )
        self.down = nn.Linear(spec.channels, width, bias=False)

    def forward(self, x_BHWD: Tensor) -> Tensor:
        channels, kernel_size, _ = self.filter_CKK.shape
        up_BCHW = self.up(x_BHWD).permute(0, 3, 1, 2)
        y_BCHW = F.conv2d(up_BCHW, self.filter_CKK.unsqueeze(1), padding=kernel_size // 2, groups=channels)
        return self.down(F.silu(self.gate(x_BHWD)) * y_BCHW.permute(0, 2, 3, 1))
