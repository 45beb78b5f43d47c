"""The nearest measured rows along one axis: same in everything else, next smaller and next larger.

A row's own value on the axis is never its neighbour, so that a training row sees what a row of an unseen shape would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ABSENT = -1
# How far to look: two below, two above.
STEPS = 2


@dataclass(frozen=True)
class Axis:
    """`along` is what differs between neighbours, `fixed` the columns that are the same."""

    name: str
    along: Callable[[pd.DataFrame], pd.Series[float]]
    fixed: Callable[[pd.DataFrame], pd.DataFrame]


class Neighbours:
    """Rows of a table, sorted for looking up neighbours along an axis."""

    def __init__(self, axis: Axis, rows: pd.DataFrame) -> None:
        self._axis = axis
        along, group = self._keys(rows)
        self._groups, group_id = np.unique(group, return_inverse=True)
        self._values = np.unique(along)
        place = group_id * (len(self._values) + 1) + np.searchsorted(self._values, along)
        self._order = np.argsort(place, kind="stable")
        self._place, self._group_id = place[self._order], group_id[self._order]
        self._along = along[self._order]

    def find(self, rows: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Positions of neighbours in the table, and log2 of how far along they are, (rows, 2 * STEPS).

        Columns go: next smaller, the one before it, next larger, the one after it. `ABSENT` and NaN where there is
        none.
        """
        along, group = self._keys(rows)
        group_id = np.searchsorted(self._groups, group)
        known = group_id < len(self._groups)
        known[known] = self._groups[group_id[known]] == group[known]
        start = group_id * (len(self._values) + 1)
        below = np.searchsorted(self._place, start + np.searchsorted(self._values, along, "left")) - 1
        above = np.searchsorted(self._place, start + np.searchsorted(self._values, along, "right"))
        sorted_positions = np.stack(
            [below - step for step in range(STEPS)] + [above + step for step in range(STEPS)], axis=1
        )
        inside = (sorted_positions >= 0) & (sorted_positions < len(self._order)) & known[:, None]
        clipped = np.clip(sorted_positions, 0, len(self._order) - 1)
        inside &= self._group_id[clipped] == group_id[:, None]
        distance = np.where(inside, np.log2(self._along[clipped] / along[:, None]), np.nan)
        return np.where(inside, self._order[clipped], ABSENT), distance

    def _keys(self, rows: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.uint64]]:
        fixed = pd.util.hash_pandas_object(self._axis.fixed(rows), index=False)
        along = np.asarray(self._axis.along(rows), dtype=np.float64)
        return along, np.asarray(fixed, dtype=np.uint64)
