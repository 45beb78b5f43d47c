"""Attention in sliding windows that a table has no rows of, from the windows that it has.

Between two measured windows the share of the roofline goes linearly over the logarithm of what is seen; above the
widest, no window at all is the next one. Below the narrowest, its share of the roofline is taken.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..tables import TableKind
from ..tables.attention import reach

Values = NDArray[np.float64]
Predict = Callable[[pd.DataFrame], pd.DataFrame]

TIMES = ["time_us", "low_us", "high_us"]


def has_windows(kind: TableKind) -> bool:
    """Whether calls of a kind attend within windows."""
    return "window" in kind.shape


def predict_windows(
    kind: TableKind,
    measured: NDArray[np.int64],
    rows: pd.DataFrame,
    predict: Predict,
    roofline_us: Callable[[pd.DataFrame], Values],
    widening: float,
) -> pd.DataFrame:
    """`predict` the rows of an attention kind, those of other windows than the `measured` ones from neighbours.

    Such rows extrapolate, with an interval that reaches further by the factor `widening`, in logarithms.
    """
    unmeasured = ~rows["window"].isin(measured)
    if not unmeasured.any():
        return predict(rows)
    found = [predict(rows[~unmeasured])] if not unmeasured.all() else []
    asked = rows[unmeasured]
    length = asked["seq_len" if "seq_len" in kind.shape else "context"]
    narrow, wide = _neighbours(np.sort(measured), asked["window"].to_numpy(), length.to_numpy())
    ends = [asked.assign(window=window) for window in (narrow, wide)]
    seen, low, high = (np.log2(reach(one["window"], length).to_numpy(float)) for one in (asked, *ends))
    part = np.where(high > low, (seen - low) / np.where(high > low, high - low, 1.0), 1.0)
    times = [predict(one) for one in ends]
    shares = [
        np.log(time[TIMES].to_numpy(float) / roofline_us(one)[:, None]) for time, one in zip(times, ends, strict=True)
    ]
    between = np.exp((1 - part)[:, None] * shares[0] + part[:, None] * shares[1]) * roofline_us(asked)[:, None]
    middle = between[:, :1]
    # What lies outside of the sizes measured as well is wide already.
    further = np.where(np.logical_or(*(time["extrapolates"].to_numpy(bool) for time in times)), 1.0, widening)
    values = pd.DataFrame(middle * (between / middle) ** further[:, None], index=asked.index, columns=TIMES)
    return pd.concat([*found, values.assign(extrapolates=True)]).loc[rows.index]


def _neighbours(
    measured: NDArray[np.int64], window: NDArray[np.int64], length: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The next narrower and the next wider measured window; where there is but one of them, it is both."""
    windows = measured[measured > 0]
    if not len(windows):
        return np.zeros_like(window), np.zeros_like(window)
    place = np.searchsorted(windows, window)
    wider = windows[np.minimum(place, len(windows) - 1)]
    narrower = windows[np.maximum(place - 1, 0)]
    wide = np.where((place < len(windows)) & (wider < length), wider, 0 if 0 in measured else wider)
    return np.where(place > 0, narrower, wide), wide
