"""The operator table: one line per operator. A new operator is one spec file and one line here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .attention import Attention
from .causal_conv import CausalConv
from .gelu_mlp import GeluMLP
from .spec import Spec
from .swiglu import SwiGLU

TokenMixer = Annotated[Attention | CausalConv, Field(discriminator="kind")]
ChannelMixer = Annotated[SwiGLU | GeluMLP, Field(discriminator="kind")]

TOKEN_MIXERS: dict[str, type[Spec]] = {
    "attention": Attention,
    "causal_conv": CausalConv,
}
CHANNEL_MIXERS: dict[str, type[Spec]] = {
    "swiglu": SwiGLU,
    "gelu_mlp": GeluMLP,
}

__all__ = [
    "CHANNEL_MIXERS",
    "TOKEN_MIXERS",
    "Attention",
    "CausalConv",
    "ChannelMixer",
    "GeluMLP",
    "Spec",
    "SwiGLU",
    "TokenMixer",
]
