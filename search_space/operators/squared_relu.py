"""Squared-ReLU feed-forward: what may be chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from .spec import Spec


class SquaredReLU(Spec):
    """Two-layer feed-forward, down(relu(up(x)) ** 2).  Source: arXiv 2109.08668."""

    split_over_devices = ("inner",)
    kind: Literal["squared_relu"] = "squared_relu"
    inner: PositiveInt
