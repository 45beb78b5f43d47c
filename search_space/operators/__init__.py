"""The operator table: one line per operator. A new operator is one spec file and one line here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .attention import Attention
from .causal_conv import CausalConv
from .cosformer import CosFormer
from .gated_conv import GatedConv
from .gated_linear import GatedLinearAttention
from .gelu_mlp import GeluMLP
from .mamba2 import Mamba2
from .moe import MoE
from .nothing import Nothing
from .pooling import Pooling
from .spec import Spec
from .squared_relu import SquaredReLU
from .swiglu import SwiGLU

TokenMixer = Annotated[
    Attention | CausalConv | GatedConv | CosFormer | GatedLinearAttention | Mamba2 | Pooling | Nothing,
    Field(discriminator="kind"),
]
ChannelMixer = Annotated[SwiGLU | GeluMLP | SquaredReLU | MoE | Nothing, Field(discriminator="kind")]

TOKEN_MIXERS: dict[str, type[Spec]] = {
    "attention": Attention,
    "causal_conv": CausalConv,
    "gated_conv": GatedConv,
    "cosformer": CosFormer,
    "gated_linear": GatedLinearAttention,
    "mamba2": Mamba2,
    "pooling": Pooling,
    "none": Nothing,
}
CHANNEL_MIXERS: dict[str, type[Spec]] = {
    "swiglu": SwiGLU,
    "gelu_mlp": GeluMLP,
    "squared_relu": SquaredReLU,
    "moe": MoE,
    "none": Nothing,
}

__all__ = [
    "CHANNEL_MIXERS",
    "TOKEN_MIXERS",
    "Attention",
    "CausalConv",
    "ChannelMixer",
    "CosFormer",
    "GatedConv",
    "GatedLinearAttention",
    "GeluMLP",
    "Mamba2",
    "MoE",
    "Nothing",
    "Pooling",
    "Spec",
    "SquaredReLU",
    "SwiGLU",
    "TokenMixer",
]
