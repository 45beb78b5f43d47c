"""How much each choice has to do with an objective: the share of its ranking that the choice by itself accounts for.

This is the first-order term of an analysis of variance over ranks (the Kruskal-Wallis test's epsilon squared): 0 where
the options of a choice rank alike, 1 where the choice alone decides the rank. It is corrected for the number of
options, and ranks keep a few diverged losses from deciding it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .choices import ABSENT, Choices

# With fewer, a share says more about who happened to be drawn than about the choice.
FEWEST = 20
FEWEST_WITH_OPTION = 5


@dataclass(frozen=True)
class Importance:
    """One choice and one objective: its share, and the options with the lowest and the highest median."""

    choice: str
    share: float
    lowest: str
    lowest_median: float
    highest: str
    highest_median: float


def importances(choices: Choices, values: np.ndarray) -> list[Importance]:
    """The choices by their share, the greatest first, without those that fewer than 20 with a value were asked for."""
    there = np.isfinite(values)
    found = [
        one
        for place, name in enumerate(choices.names)
        if (one := _importance(name, choices.options[place], choices.codes[there, place], values[there]))
    ]
    return sorted(found, key=lambda one: -one.share)


def _importance(name: str, options: tuple[str, ...], codes: np.ndarray, values: np.ndarray) -> Importance | None:
    """The importance of one choice among those who were asked: that others lack the layer is another choice's doing."""
    asked = codes != ABSENT
    codes, values = codes[asked], values[asked]
    if len(values) < FEWEST:
        return None
    share = explained_share(codes, pd.Series(values).rank().to_numpy())
    medians = {
        options[code]: float(np.median(values[codes == code]))
        for code, count in zip(*np.unique(codes, return_counts=True), strict=True)
        if count >= FEWEST_WITH_OPTION
    }
    if share is None or len(medians) < 2:
        return None
    lowest, highest = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
    return Importance(name, share, lowest, medians[lowest], highest, medians[highest])


def explained_share(codes: np.ndarray, values: np.ndarray) -> float | None:
    """The share of the variance of `values` between the groups that `codes` make, corrected for their number.

    None where there is one group, nothing varies, or each value has a group of its own.
    """
    _, group = np.unique(codes, return_inverse=True)
    counts = np.bincount(group)
    total = float(((values - values.mean()) ** 2).sum())
    if len(counts) < 2 or len(counts) >= len(values) or total == 0:
        return None
    means = np.bincount(group, weights=values) / counts
    between = float((counts * (means - values.mean()) ** 2).sum())
    within = (total - between) / (len(values) - len(counts))
    return min(1.0, max(0.0, (between - (len(counts) - 1) * within) / total))


def sentence(one: Importance, objective: str, text: Callable[[float], str]) -> str:
    """What an importance means, for one objective."""
    return (
        f"{one.choice} by itself accounts for {100 * one.share:.0f}\u00a0% of how architectures rank in {objective}: "
        f"the median is {text(one.lowest_median)} at {one.lowest} and {text(one.highest_median)} at {one.highest}."
    )


def by_choice(found: Mapping[str, list[Importance]], most: int) -> pd.DataFrame:
    """The choices with the greatest share in any objective, greatest first: `choice` and a column per objective."""
    shares = {objective: {one.choice: one.share for one in listed} for objective, listed in found.items()}
    greatest: dict[str, float] = {}
    for listed in shares.values():
        for name, share in listed.items():
            greatest[name] = max(share, greatest.get(name, 0.0))
    first = sorted(greatest, key=lambda name: (-greatest[name], name))[:most]
    rows = [{"choice": name} | {key: listed.get(name, 0.0) for key, listed in shares.items()} for name in first]
    return pd.DataFrame(rows, columns=["choice", *shares])
