"""The table of mixtures of the hidden dimension: what is put around a mixer so that it reads only a part of the width.

A module is built as `Module(spec, width, mixer)` and has the methods of the mixer. A dense hidden dimension needs none.
"""

from __future__ import annotations

from torch import nn

from .mohd import MoHDSublayer

HIDDEN_MODULES: dict[str, type[nn.Module]] = {
    "mohd": MoHDSublayer,
}

__all__ = ["HIDDEN_MODULES"]
