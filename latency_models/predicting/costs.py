"""What the sections of one workload cost: a table with a row of numbers each, and how rows add up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..tracing.section import Section
from ..tracing.sections import Setting
from .fit import KernelTimes

# Columns of the table: times and counts, then bytes as `Section` names them.
KERNEL_US, LOW_US, HIGH_US, MEASURED_US, DISPATCHES, PARAMS = range(6)
FIXED, HELD, STATE, PEAK, SAVED, BACKWARD, KEPT, UPDATE, KERNELS, SKEWED_US, OUTSIDE_US = range(6, 17)
NUM_COLUMNS = 17

# The column of what a composition counts.
GAPS = {"dispatch": DISPATCHES, "kernel": KERNELS}

# The row of a section that is not there.
NOTHING = 0
FIRST_CAPACITY = 64


class CostTable:
    """A row of numbers for every section met so far."""

    def __init__(self, kernels: KernelTimes) -> None:
        self._kernels = kernels
        self._rows: dict[Setting, int] = {}
        self._costs = np.zeros((FIRST_CAPACITY, NUM_COLUMNS))
        # What is not there adds nothing and is never the peak.
        self._costs[NOTHING, [PEAK, BACKWARD]] = -np.inf

    def row(self, setting: Setting, trace: Callable[[], Section]) -> int:
        """The row of a section, which is traced and priced when it is met for the first time."""
        row = self._rows.get(setting)
        return self._add(setting, trace()) if row is None else row

    def cost(self, row: int) -> NDArray[np.float64]:
        """The numbers of one section."""
        return self._costs[row]

    def totals(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """What architectures cost whose sections stand in `rows`: (architectures, columns).

        `rows` is (sections, architectures), in running order. Costs add up; PEAK is the most memory alive at once
        beside FIXED and HELD, see `memory.peak_memory_bytes`.
        """
        totals = np.zeros((rows.shape[1], NUM_COLUMNS))
        for section in rows:
            totals += self._costs[section]
        totals[:, PEAK] = self._peaks(rows, totals[:, KEPT])
        return totals

    def _peaks(self, rows: NDArray[np.intp], kept: NDArray[np.float64]) -> NDArray[np.float64]:
        saved, kept_behind = np.zeros(rows.shape[1]), kept.copy()
        peaks = kept + self._costs[:, UPDATE][rows].max(axis=0)
        for forward, backward, saves, keeps in zip(
            *(self._costs[:, column][rows] for column in (PEAK, BACKWARD, SAVED, KEPT)), strict=True
        ):
            kept_behind -= keeps
            np.maximum(peaks, saved + np.maximum(forward, kept_behind + backward), out=peaks)
            saved += saves
        return peaks

    def _add(self, setting: Setting, section: Section) -> int:
        row = self._rows[setting] = len(self._rows) + 1
        if row == len(self._costs):
            self._costs = np.concatenate([self._costs, np.zeros_like(self._costs)])
        self._costs[row] = _cost(section, self._kernels)
        return row


def padded(rows: Sequence[Sequence[int]]) -> NDArray[np.intp]:
    """Rows of architectures with different numbers of sections as one matrix: (sections, architectures)."""
    matrix = np.full((max(len(one) for one in rows), len(rows)), NOTHING, dtype=np.intp)
    for number, one in enumerate(rows):
        matrix[: len(one), number] = one
    return matrix


def _cost(section: Section, kernels: KernelTimes) -> list[float]:
    times = kernels.times([one.call for one in section.calls])
    return [
        sum(time.time_us for time in times),
        sum(time.low_us for time in times),
        sum(time.high_us for time in times),
        sum(time.time_us for time in times if time.measured),
        section.gaps("dispatch"),
        section.param_count,
        section.fixed_bytes,
        section.held_bytes,
        section.state_bytes,
        section.peak_bytes,
        section.saved_bytes,
        section.backward_bytes,
        section.kept_bytes,
        section.update_bytes,
        section.gaps("kernel"),
        sum(time.time_us if time.skewed_us is None else time.skewed_us for time in times),
        sum(time.time_us for time in times if time.extrapolates),
    ]
