"""What a regression says of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Per row: microseconds, and the lowest and highest to be expected."""

    time_us: Values
    low_us: Values
    high_us: Values
