"""The best rates that a table shows, and the time a call would take at them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..tables import TableKind

# A few rows of every table are too fast to be true; the peaks are those of the rows below them.
PEAK_QUANTILE = 0.99
FLOOR_QUANTILE = 0.001


@dataclass(frozen=True)
class Roofline:
    """Peak rates per microsecond, and the time of the shortest kernels. Without flops the rate is infinite."""

    flops_per_us: float
    bytes_per_us: float
    floor_us: float

    @classmethod
    def of(cls, kind: TableKind, rows: pd.DataFrame) -> Roofline:
        """The roofline that the measured `rows` of a kind show."""
        latency = rows["latency_us"].to_numpy(float)
        return cls(
            flops_per_us=_peak(kind.flops(rows).to_numpy(float) / latency),
            bytes_per_us=_peak(kind.bytes(rows).to_numpy(float) / latency),
            floor_us=float(np.quantile(latency, FLOOR_QUANTILE)),
        )

    def compute_us(self, kind: TableKind, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Microseconds of each row's arithmetic."""
        return np.asarray(kind.flops(rows) / self.flops_per_us, dtype=np.float64)

    def memory_us(self, kind: TableKind, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Microseconds of each row's traffic."""
        return np.asarray(kind.bytes(rows) / self.bytes_per_us, dtype=np.float64)

    def time_us(self, kind: TableKind, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Microseconds of each row at the best rates."""
        return self.floor_us + np.maximum(self.compute_us(kind, rows), self.memory_us(kind, rows))


def _peak(rates: NDArray[np.float64]) -> float:
    peak = float(np.quantile(rates, PEAK_QUANTILE))
    return peak if peak > 0 else float("inf")
