"""What the trees are told of a row by itself: its sizes, its labels, its time at the roofline, and its family's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..tables import TableKind
from .family import Family
from .limits import Limits
from .roofline import Roofline

# Microseconds added before logs: some calls compute nothing.
LEAST_US = 1e-3


@dataclass(frozen=True)
class OwnFeatures:
    """`words` are the known values of each label and of `runtime`, in the order of their codes."""

    kind: TableKind
    family: Family
    limits: Limits
    roofline: Roofline
    words: Mapping[str, list[str]]

    @classmethod
    def of(cls, kind: TableKind, family: Family, limits: Limits, rows: pd.DataFrame) -> OwnFeatures:
        """The roofline and the words that measured rows show."""
        words = {label: sorted(rows[label].unique()) for label in (*kind.labels, "runtime")}
        return cls(kind, family, limits, Roofline.of(kind, rows), words)

    def roofline_us(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Microseconds of each row at the best rates."""
        return self.roofline.time_us(self.kind, rows)

    def of_rows(self, rows: pd.DataFrame) -> NDArray[np.float32]:
        """Features, (rows, features)."""
        compute = self.roofline.compute_us(self.kind, rows) + LEAST_US
        memory = self.roofline.memory_us(self.kind, rows) + LEAST_US
        sizes = [np.log2(rows[size].to_numpy(float) + 1) for size in self.kind.shape]
        labels = [self._codes(rows[label], words) for label, words in self.words.items()]
        times = [np.log2(self.roofline_us(rows)), np.log2(memory), np.log2(compute), np.log2(compute / memory)]
        own = self.family.features(rows, self.limits).values()
        return np.stack([*sizes, *labels, *times, *own], axis=1).astype(np.float32)

    def _codes(self, column: pd.Series[str], words: list[str]) -> NDArray[np.float64]:
        """The place of each word; of one that is not known, NaN, which trees treat as missing."""
        return np.asarray(column.map({word: float(code) for code, word in enumerate(words)}), dtype=np.float64)
