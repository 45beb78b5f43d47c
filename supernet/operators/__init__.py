"""The module table: the plain module of every operator, one line each.

A token mixer's module is built as `Module(spec, width, context)` and has `forward`, `init_state` and `step`; a channel
mixer's as `Module(spec, width)` and has `forward`, which treats every token by itself. Each declares `axes`
(see `slicing`).
"""

from __future__ import annotations

from torch import nn

from .attention import AttentionModule
from .causal_conv import CausalConvModule
from .gelu_mlp import GeluMLPModule
from .swiglu import SwiGLUModule

TOKEN_MIXER_MODULES: dict[str, type[nn.Module]] = {
    "attention": AttentionModule,
    "causal_conv": CausalConvModule,
}
CHANNEL_MIXER_MODULES: dict[str, type[nn.Module]] = {
    "swiglu": SwiGLUModule,
    "gelu_mlp": GeluMLPModule,
}

__all__ = ["CHANNEL_MIXER_MODULES", "TOKEN_MIXER_MODULES"]
