"""Calls that a table holds more than once: what is made of them, and how many there were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from ...errors import InputError
from .kind import TableKind

# Runs of one kernel on an undisturbed device stay well within this; beyond it one of them measured something else.
TOLERANCE = 1.5
REFUSE, DROP = "refuse", "drop"

Choice = Callable[["pd.api.typing.SeriesGroupBy"], "pd.Series[float]"]

# What stands for a call whose measurements disagree. A median is not offered: of two it is neither.
CHOICES: Mapping[str, Choice | None] = {
    REFUSE: None,
    DROP: None,
    "fastest": lambda groups: groups.min(),
    "last": lambda groups: groups.last(),
}


@dataclass(frozen=True)
class Repeats:
    """`calls` were measured more than once, `rows` more rows than calls; `disagreeing` calls differed too much."""

    calls: int
    rows: int
    disagreeing: int


def merge_repeats(kind: TableKind, frame: pd.DataFrame, duplicates: str) -> tuple[pd.DataFrame, Repeats]:
    """One row per call and runtime, where it stood first: the median of measurements that agree within `TOLERANCE`.

    `frame` has the kind's canonical columns, and `file` and `row`, which say where each row came from.

    Raises:
        InputError: measurements disagree and `duplicates` is "refuse".
    """
    key = [*kind.call, "runtime"]
    if not frame.duplicated(key).any():
        return frame[list(kind.columns)], Repeats(0, 0, 0)
    group = frame.groupby(key, sort=False).ngroup()
    groups = frame["latency_us"].groupby(group)
    count, disagree = groups.size(), groups.max() > TOLERANCE * groups.min()
    if duplicates == REFUSE and disagree.any():
        _refuse(frame, group, disagree)
    merged = frame.loc[~group.duplicated(), list(kind.columns)].reset_index(drop=True)
    choice = CHOICES[duplicates]
    chosen = groups.median() if choice is None else groups.median().where(~disagree, choice(groups))
    merged["latency_us"] = chosen
    if duplicates == DROP:
        merged = merged[~disagree].reset_index(drop=True)
    return merged, Repeats(int((count > 1).sum()), int((count - 1).sum()), int(disagree.sum()))


def _refuse(frame: pd.DataFrame, group: pd.Series[int], disagree: pd.Series[bool]) -> None:
    """Name the first such call by its fastest and its slowest row."""
    same = frame[group == disagree[disagree].index[0]].sort_values("latency_us", kind="stable")
    fast, slow = same.iloc[0], same.iloc[-1]
    where = f" of {slow['file']}" if slow["file"] != fast["file"] else ""
    others = f" (and {disagree.sum() - 1} more such calls)" if disagree.sum() > 1 else ""
    raise InputError(
        f"{fast['file']}: latency: measurements of one call and runtime differ by a factor of at most {TOLERANCE:g}; "
        f"got {fast['latency_us']:.6g} us in row {fast['row']} and {slow['latency_us']:.6g} us in row {slow['row']}"
        f"{where}{others}; say what stands for such calls: --duplicates "
        f"{', '.join(choice for choice in CHOICES if choice != REFUSE)}"
    )
