"""How well predictions hold against what was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..predicting.validate import kendall_tau

# Rank agreement compares all pairs, so it is taken of this many rows at most.
RANKED = 400


@dataclass(frozen=True)
class Accuracy:
    """Errors are relative to the measured latency: 0.05 is 5 %. `covered` is the share of latencies in their interval,
    `extrapolated` that of rows outside of what was learned from, `width` the median of high / low."""

    rows: int
    median: float
    percentile_90: float
    mape: float
    within_10: float
    kendall_tau: float
    covered: float
    width: float
    extrapolated: float


def accuracy(predicted: pd.DataFrame) -> Accuracy:
    """Figures of rows with `latency_us`, `time_us`, `low_us`, `high_us` and `extrapolates`."""
    measured = predicted["latency_us"]
    error = (predicted["time_us"] / measured - 1).abs()
    ranked = predicted.sample(min(RANKED, len(predicted)), random_state=0)
    return Accuracy(
        rows=len(predicted),
        median=float(error.median()),
        percentile_90=float(error.quantile(0.9)),
        mape=float(error.mean()),
        within_10=float((error <= 0.1).mean()),
        kendall_tau=kendall_tau(ranked["time_us"].to_list(), ranked["latency_us"].to_list()),
        covered=float(measured.between(predicted["low_us"], predicted["high_us"]).mean()),
        width=float((predicted["high_us"] / predicted["low_us"]).median()),
        extrapolated=float(predicted["extrapolates"].mean()),
    )


def by_part(kind_labels: tuple[str, ...], predicted: pd.DataFrame) -> list[tuple[str, Accuracy]]:
    """Figures of all rows, of each value of each label that has several, and of each decade of measured latency."""
    parts = [("all", predicted)]
    for label in kind_labels:
        if predicted[label].nunique() > 1:
            parts += [(f"{label} {value}", rows) for value, rows in predicted.groupby(label)]
    decade = np.floor(np.log10(predicted["latency_us"])).astype(int)
    parts += [
        (f"{10.0**number:g} us to {10.0 ** (number + 1):g} us", rows) for number, rows in predicted.groupby(decade)
    ]
    return [(name, accuracy(rows)) for name, rows in parts]
