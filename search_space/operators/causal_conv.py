"""Depthwise causal convolution: what may be chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from .spec import Spec


class CausalConv(Spec):
    """Depthwise causal convolution between two projections: out(silu(conv(in(x)))).

    Each of `channels` channels is filtered by itself over the last `kernel_size` tokens.

    Source: the token mixer of arXiv 1901.10430 (lightweight convolutions) with a fixed kernel per channel.
    """

    media = ("text",)
    split_over_devices = ("channels",)
    kind: Literal["causal_conv"] = "causal_conv"
    channels: PositiveInt
    kernel_size: PositiveInt
