"""How far off predictions may be, from how far they were where it is known."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

COVERAGE = 0.9


def covering(errors: NDArray[np.float64]) -> float:
    """The error that a further model stays within with 90 % certainty (split conformal: arXiv 2107.07511)."""
    rank = min(len(errors), math.ceil((len(errors) + 1) * COVERAGE))
    return float(np.sort(errors)[rank - 1])
