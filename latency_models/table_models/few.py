"""What a few measurements say of a kind of kernel: a Gaussian process on log(time / roofline)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..tables import TableKind
from .own_features import LEAST_US
from .process import Process
from .roofline import Roofline

Values = NDArray[np.float64]


@dataclass(frozen=True)
class FewFeatures:
    """Log sizes, the roofline, which side of it is higher, and one column for each value of each label."""

    kind: TableKind
    roofline: Roofline
    words: dict[str, list[str]]

    @classmethod
    def of(cls, kind: TableKind, calls: pd.DataFrame, roofline: Roofline) -> FewFeatures:
        """Labels that have one value in all `calls` say nothing and are left out."""
        words = {label: sorted(calls[label].unique()) for label in kind.labels}
        return cls(kind, roofline, {label: found for label, found in words.items() if len(found) > 1})

    def of_rows(self, rows: pd.DataFrame) -> Values:
        """Features, (rows, features)."""
        compute = self.roofline.compute_us(self.kind, rows) + LEAST_US
        memory = self.roofline.memory_us(self.kind, rows) + LEAST_US
        sizes = [np.log2(rows[size].to_numpy(float) + 1) for size in self.kind.shape]
        labels = [(rows[label] == word).to_numpy(float) for label, words in self.words.items() for word in words]
        times = [np.log2(self.roofline_us(rows)), np.log2(compute / memory)]
        return np.stack([*sizes, *labels, *times], axis=1)

    def roofline_us(self, rows: pd.DataFrame) -> Values:
        """Microseconds of each row at the best rates."""
        return self.roofline.time_us(self.kind, rows)


@dataclass(frozen=True, eq=False)
class FewModel:
    """Predicts from a few measured rows."""

    features: FewFeatures
    process: Process

    @classmethod
    def fit(cls, kind: TableKind, measured: pd.DataFrame) -> FewModel:
        """Learn from a canonical frame of up to a few hundred rows."""
        features = FewFeatures.of(kind, measured, Roofline.of(kind, measured))
        target = np.log(measured["latency_us"].to_numpy(float) / features.roofline_us(measured))
        return cls(features, Process.fit(features.of_rows(measured), target))

    def without(self, out: NDArray[np.bool_], measured: pd.DataFrame) -> Values:
        """Log microseconds of some of the `measured` rows it was fitted to, by the others alone."""
        roofline_us = self.features.roofline_us(measured)
        target = np.log(measured["latency_us"].to_numpy(float) / roofline_us)
        share, _ = self.process.given(~out, target).predict(self.features.of_rows(measured[out]))
        return np.asarray(share + np.log(roofline_us[out]))

    def predict_us(self, rows: pd.DataFrame) -> Values:
        """Microseconds of each row."""
        return np.exp(self.process.predict(self.features.of_rows(rows))[0]) * self.features.roofline_us(rows)
