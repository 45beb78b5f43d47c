"""The module table: the plain module of every operator, one line each.

A token mixer's module is built as `Module(spec, width, context)` and has `forward`, `init_state` and `step`; a channel
mixer's as `Module(spec, width)` and has `forward`, which treats every token by itself. For images a token mixer's is
built as `Module(spec, width)`, and `forward` keeps the shape of a map (B, H, W, D). Each declares `axes` (see
`slicing`).
"""

from __future__ import annotations

from torch import nn

from .attention import AttentionModule
from .causal_conv import CausalConvModule
from .cosformer import CosFormerModule
from .gated_conv import GatedConvModule
from .gated_linear import GatedLinearAttentionModule
from .gelu_mlp import GeluMLPModule
from .grid.attention import GridAttentionModule
from .grid.gated_conv import GridGatedConvModule
from .grid.pooling import GridPoolingModule
from .mamba2 import Mamba2Module
from .moe import MoEModule
from .pooling import PoolingModule
from .squared_relu import SquaredReLUModule
from .swiglu import SwiGLUModule

TOKEN_MIXER_MODULES: dict[str, type[nn.Module]] = {
    "attention": AttentionModule,
    "causal_conv": CausalConvModule,
    "gated_conv": GatedConvModule,
    "cosformer": CosFormerModule,
    "gated_linear": GatedLinearAttentionModule,
    "mamba2": Mamba2Module,
    "pooling": PoolingModule,
}
GRID_MIXER_MODULES: dict[str, type[nn.Module]] = {
    "attention": GridAttentionModule,
    "gated_conv": GridGatedConvModule,
    "pooling": GridPoolingModule,
}
CHANNEL_MIXER_MODULES: dict[str, type[nn.Module]] = {
    "swiglu": SwiGLUModule,
    "gelu_mlp": GeluMLPModule,
    "squared_relu": SquaredReLUModule,
    "moe": MoEModule,
}

__all__ = ["CHANNEL_MIXER_MODULES", "GRID_MIXER_MODULES", "TOKEN_MIXER_MODULES"]
