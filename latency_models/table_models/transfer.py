"""A new device from few measurements, starting at a model of another device.

None: the other device's share of the roofline, at the new device's rates. A few: one efficiency for all. Dozens: a
smooth correction on top. Hundreds: the mean of that and of a model of its own, which starts from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..tables import TableKind
from .few import FewFeatures, FewModel
from .model import TableModel
from .process import Process
from .roofline import Roofline

Values = NDArray[np.float64]

# Fewer measurements than this give one efficiency, and this many a model of the device's own.
CORRECT_FROM, OWN_FROM = 20, 300


@dataclass(frozen=True, eq=False)
class Transfer:
    """`efficiency` is log(new device / other device) at the median, once both are seen from their rooflines."""

    kind: TableKind
    other: TableModel
    rates: tuple[Roofline, Roofline] | None
    efficiency: float
    correction: tuple[FewFeatures, Process] | None
    own: FewModel | None

    @classmethod
    def fit(
        cls,
        kind: TableKind,
        other: TableModel,
        measured: pd.DataFrame,
        rates: tuple[Roofline, Roofline] | None = None,
    ) -> Transfer:
        """Learn from `measured`, a canonical frame of the new device, which may have no rows.

        `rates` are the rooflines of the new and of the other device, from their data sheets; without them the new
        device is taken for the other until something is measured.
        """
        start = cls(kind, other, rates, 0.0, None, None)
        if not len(measured):
            return start
        missed = np.log(measured["latency_us"].to_numpy(float) / start.predict_us(measured))
        efficiency = float(np.median(missed))
        correction = own = None
        if len(measured) >= OWN_FROM:
            own = FewModel.fit(kind, measured)
        if len(measured) >= CORRECT_FROM:
            features = FewFeatures.of(kind, measured, Roofline.of(kind, measured))
            correction = features, Process.fit(features.of_rows(measured), missed - efficiency)
        return cls(kind, other, rates, efficiency, correction, own)

    def predict_us(self, rows: pd.DataFrame) -> Values:
        """Microseconds of each row on the new device."""
        log_time = np.log(self.other.predict(rows)["time_us"].to_numpy(float)) + self.efficiency
        if self.rates is not None:
            new, old = (rates.time_us(self.kind, rows) for rates in self.rates)
            log_time += np.log(new / old)
        if self.correction is not None:
            features, process = self.correction
            log_time += process.predict(features.of_rows(rows))[0]
        if self.own is not None:
            log_time = 0.5 * (log_time + np.log(self.own.predict_us(rows)))
        return np.exp(log_time)
