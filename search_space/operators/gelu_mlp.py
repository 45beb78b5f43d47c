"""GELU feed-forward: what may be chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from .spec import Spec


class GeluMLP(Spec):
    """Two-layer feed-forward, down(gelu(up(x))).  Source: arXiv 1706.03762 with GELU, arXiv 1606.08415."""

    split_over_devices = ("inner",)
    kind: Literal["gelu_mlp"] = "gelu_mlp"
    inner: PositiveInt
