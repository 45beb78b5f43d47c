"""What an architecture is: specs, choices, sampling, mutation, encoding. Pure data, no torch."""

from __future__ import annotations

from .architecture import Architecture, Block, Stage, first_problem
from .hidden import Dense, MoHD
from .operators import (
    CHANNEL_MIXERS,
    TOKEN_MIXERS,
    Attention,
    CausalConv,
    CosFormer,
    GatedConv,
    GatedLinearAttention,
    GeluMLP,
    Mamba2,
    MoE,
    Nothing,
    Pooling,
    Spec,
    SquaredReLU,
    SwiGLU,
)
from .operators.spec import kind_of
from .space import SearchSpace, preset_names

__all__ = [
    "CHANNEL_MIXERS",
    "TOKEN_MIXERS",
    "Architecture",
    "Attention",
    "Block",
    "CausalConv",
    "CosFormer",
    "Dense",
    "GatedConv",
    "GatedLinearAttention",
    "GeluMLP",
    "Mamba2",
    "MoE",
    "MoHD",
    "Nothing",
    "Pooling",
    "SearchSpace",
    "Spec",
    "SquaredReLU",
    "Stage",
    "SwiGLU",
    "first_problem",
    "kind_of",
    "preset_names",
]
