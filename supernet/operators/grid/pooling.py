"""Average pooling over a grid, less the place itself, which the residual stream adds back.

B batch, H rows, W columns, D width.  Source: PoolFormer, arXiv 2111.11418.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ....search_space.operators import Pooling


class GridPoolingModule(nn.Module):
    axes: dict[str, tuple[str, ...]] = {}

    def __init__(self, spec: Pooling, width: int) -> None:
        super().__init__()
        self.window = spec.window

    def forward(self, x_BHWD: Tensor) -> Tensor:
        """The mean of the window around each place, of the places there are, less that place."""
        mean_BDHW = F.avg_pool2d(
            x_BHWD.permute(0, 3, 1, 2), self.window, stride=1, padding=self.window // 2, count_include_pad=False
        )
        return mean_BDHW.permute(0, 2, 3, 1) - x_BHWD
