"""SwiGLU feed-forward: what may be chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from .spec import Spec


class SwiGLU(Spec):
    """SwiGLU feed-forward, down(silu(gate(x)) * up(x)).  Source: arXiv 2002.05202."""

    split_over_devices = ("inner",)
    kind: Literal["swiglu"] = "swiglu"
    inner: PositiveInt
