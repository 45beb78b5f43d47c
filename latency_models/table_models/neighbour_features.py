"""What measured neighbours say of a row: how far from the roofline they are, and how far the trees missed them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .neighbours import ABSENT, STEPS, Neighbours

Values = NDArray[np.float64]


def neighbour_features(
    axes: Sequence[Neighbours],
    measured: pd.DataFrame,
    rows: pd.DataFrame,
    roofline_us: Values,
    target: Values,
    missed: Values,
) -> Values:
    """Features of `rows`, (rows, features), from `measured` rows with their log(time / roofline) and its error.

    `roofline_us` is that of `rows`. NaN where there is no neighbour.
    """
    latency = measured["latency_us"].to_numpy(float)
    found = [np.empty((len(rows), 0))]
    for axis in axes:
        at, distance = axis.find(rows)
        here = at != ABSENT
        ratio, error, time = (np.where(here, values[at], np.nan) for values in (target, missed, latency))
        between = np.stack([_between(ratio, distance), _between(error, distance)], axis=1)
        linear = np.log(_between(time, 2.0**distance - 1.0) / roofline_us)
        found += [ratio, error, distance[:, [0, STEPS]], between, linear[:, None]]
    return np.concatenate(found, axis=1)


def _between(values: Values, distance: Values) -> Values:
    """Linear between the nearest below and the nearest above, at distance 0."""
    below, above = distance[:, 0], distance[:, STEPS]
    share = below / (below - above)
    return values[:, 0] * (1 - share) + values[:, STEPS] * share
