"""What a kind of table adds to the regression that all share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .limits import Limits
from .neighbours import Axis

Features = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Family:
    """`features` of rows beyond their sizes and roofline times. `axes` are looked along for measured neighbours.

    `separate` are labels whose values have nothing to learn from each other: each gets a model of its own. `smooth`
    tables are small and without jumps, so that a smooth function does better than trees.
    """

    features: Callable[[pd.DataFrame, Limits], Features] = lambda rows, limits: {}
    axes: tuple[Axis, ...] = ()
    separate: tuple[str, ...] = ()
    smooth: bool = False
