"""What an architecture is: specs, choices, sampling, mutation, encoding. Pure data, no torch."""

from __future__ import annotations

from .architecture import Architecture, Block, first_problem
from .operators import CHANNEL_MIXERS, TOKEN_MIXERS, Attention, CausalConv, GeluMLP, Spec, SwiGLU
from .space import SearchSpace, preset_names

__all__ = [
    "CHANNEL_MIXERS",
    "TOKEN_MIXERS",
    "Architecture",
    "Attention",
    "Block",
    "CausalConv",
    "GeluMLP",
    "SearchSpace",
    "Spec",
    "SwiGLU",
    "first_problem",
    "preset_names",
]
