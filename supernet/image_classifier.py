"""An image classifier at its exact size: stem, stages of blocks at falling resolution, pooled head.

B batch, C channels of an image or classes, H rows, W columns, D width. Maps are channels-last.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..search_space import Architecture
from .block import NORM_EPS, BlockModule
from .residual import RESIDUALS
from .shapes import ImageShape

POSITION_STD = 0.02


class Stem(nn.Module):
    """Two 3 x 3 convolutions, the first with the stride of the patch (and a wider filter if that is large), the second
    added to the first; then a learned embedding of every place."""

    axes = {
        "patch.weight": ("width", "channels", "stem_kernel", "stem_kernel"),
        "patch.bias": ("width",),
        "norm.weight": ("width",),
        "mix.weight": ("width", "width", "3", "3"),
        "mix.bias": ("width",),
        "position_HWD": ("grid", "grid", "width"),
    }

    def __init__(self, width: int, shape: ImageShape) -> None:
        super().__init__()
        kernel, grid = shape.stem_kernel, shape.grid
        self.patch = nn.Conv2d(shape.channels, width, kernel, stride=shape.patch, padding=kernel // 2)
        self.norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.mix = nn.Conv2d(width, width, 3, padding=1)
        self.position_HWD = nn.Parameter(torch.randn(grid, grid, width) * POSITION_STD)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        x_BHWD = self.patch(images_BCHW).permute(0, 2, 3, 1)
        mixed_BDHW = self.mix(F.gelu(self.norm(x_BHWD)).permute(0, 3, 1, 2))
        # Contiguous, so that no block has to copy a map that a convolution left with its channels first.
        return (x_BHWD + mixed_BDHW.permute(0, 2, 3, 1) + self.position_HWD).contiguous()


class SpatialReduction(nn.Module):
    """Half the resolution and a new width: a strided convolution of the normed map, added to the average-pooled map
    with zeros for its new channels. A map of odd size keeps the row and column left over.

    Source: residual spatial reduction of ViT-ResNAS, arXiv 2109.00642.
    """

    axes = {
        "norm.weight": ("in_width",),
        "conv.weight": ("width", "in_width", "3", "3"),
        "conv.bias": ("width",),
    }

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(in_width, eps=NORM_EPS)
        self.conv = nn.Conv2d(in_width, width, 3, stride=2, padding=1)

    def forward(self, x_BHWD: Tensor) -> Tensor:
        reduced_BDHW = self.conv(self.norm(x_BHWD).permute(0, 3, 1, 2))
        pooled_BDHW = F.avg_pool2d(x_BHWD.permute(0, 3, 1, 2), 2, ceil_mode=True, count_include_pad=False)
        skip_BHWD = F.pad(pooled_BDHW.permute(0, 2, 3, 1), (0, self.conv.out_channels - self.conv.in_channels))
        return (reduced_BDHW.permute(0, 2, 3, 1) + skip_BHWD).contiguous()


class Head(nn.Module):
    """Norm, mean over all places, one linear layer."""

    axes = {
        "norm.weight": ("width",),
        "classifier.weight": ("num_classes", "width"),
        "classifier.bias": ("num_classes",),
    }

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, x_BHWD: Tensor) -> Tensor:
        return self.classifier(self.norm(x_BHWD).mean(dim=(1, 2)))


class ImageClassifier(nn.Module):
    """A staged pyramid: `model(images_BCHW)`, of values from 0 to 1, gives logits_BC.

    Args:
        widths: of the stages.
        depths: how many of the blocks each stage has.
        blocks: of all stages, one stage after the other.
        residual: how blocks join the residual stream.
    """

    def __init__(
        self,
        widths: Sequence[int],
        depths: Sequence[int],
        shape: ImageShape,
        blocks: Sequence[BlockModule],
        residual: str = "sequential",
    ) -> None:
        super().__init__()
        self.ends = tuple(accumulate(depths))
        self.residual = RESIDUALS[residual]
        self.stem = Stem(widths[0], shape)
        self.blocks = nn.ModuleList(blocks)
        self.reductions = nn.ModuleList(SpatialReduction(before, width) for before, width in pairwise(widths))
        self.head = Head(widths[-1], shape.num_classes)

    @classmethod
    def build(cls, architecture: Architecture, shape: ImageShape) -> ImageClassifier:
        """The standalone model of an architecture with stages, freshly initialised."""
        widths = [stage.width for stage in architecture.stages]
        depths = [stage.depth for stage in architecture.stages]
        # Not `architecture.widths`: an exported model is built from the plain data, which hasn't it.
        block_widths = [stage.width for stage in architecture.stages for _ in range(stage.depth)]
        blocks = [
            BlockModule.build(block, width, None, architecture.residual, architecture.hidden)
            for block, width in zip(architecture.blocks, block_widths, strict=True)
        ]
        return cls(widths, depths, shape, blocks, architecture.residual)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        # One name for the stream, so that what a stage began with is freed while its blocks run.
        stream = self.stem(images_BCHW)
        start = 0
        for stage, end in enumerate(self.ends):
            if stage:
                stream = self.reductions[stage - 1](stream)
            stream = self.residual.enter(stream)
            for block in self.blocks[start:end]:
                stream = block(stream)
            stream = self.residual.leave(stream)
            start = end
        return self.head(stream)
