"""Gated causal convolution: what may be chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from .spec import Spec


class GatedConv(Spec):
    """Depthwise causal convolution under a gate, down(silu(gate(x)) * conv(up(x))).

    Each of `channels` channels is filtered by itself over the last `kernel_size` tokens; on images over the square of
    `kernel_size` places a side around each place.

    Source: convolution between gates as in arXiv 2302.10866 (Hyena), with the gated linear unit of arXiv 2002.05202.
    """

    split_over_devices = ("channels",)
    kind: Literal["gated_conv"] = "gated_conv"
    channels: PositiveInt
    kernel_size: PositiveInt

    def check_grid(self) -> None:
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size: odd on images, where it is centred; got {self.kernel_size}")
