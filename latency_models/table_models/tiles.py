"""How a matrix is cut into tiles, and how full the device is while it works through them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .family import Features
from .limits import Limits

# Heights and widths that libraries of matrix products choose among.
GEMM_TILES = (
    (64, 8),
    (64, 16),
    (64, 32),
    (64, 64),
    (64, 128),
    (128, 64),
    (64, 256),
    (256, 64),
    (128, 128),
    (128, 192),
    (192, 128),
    (128, 256),
    (256, 128),
    (256, 256),
)
# Beyond this many waves the last one hardly counts.
MANY_WAVES = 64


def tile_features(m: NDArray[np.float64], n: NDArray[np.float64], limits: Limits) -> Features:
    """Per tile: waves, and what whole waves compute over what was asked for."""
    at_once = limits.multiprocessors or 1
    found: Features = {}
    for height, width in GEMM_TILES:
        waves = np.ceil(np.ceil(m / height) * np.ceil(n / width) / at_once)
        found[f"waves_{height}x{width}"] = np.minimum(waves, MANY_WAVES)
        found[f"padding_{height}x{width}"] = np.log2(waves * at_once * height * width / (m * n))
    return found
