"""Predictions of whole shapes that were held out, and how well they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..tables import KINDS, TableKind
from .accuracy import Accuracy, by_part
from .holdout import shape_folds, split_by_expression
from .limits import Limits
from .model import TableModel

FOLDS = 5


@dataclass(frozen=True)
class Figure:
    """One line of a report: the accuracy on a part of a kind of table."""

    kind: str
    part: str
    accuracy: Accuracy


def evaluate(
    kind: str,
    frame: pd.DataFrame,
    folds: int = FOLDS,
    seed: int = 0,
    limits: Limits | None = None,
    holdout: str | None = None,
) -> list[Figure]:
    """Figures of the table `frame` of a kind, for all, each label's values and each decade of latency.

    Every row is predicted from whole shapes other than its own: in `folds`, or, with the condition `holdout`, those
    rows that it selects from the others.

    Raises:
        InputError: there are fewer whole shapes than folds, or the condition is wrong or splits nothing.
    """
    chosen = KINDS[kind]
    limits = limits or Limits()
    if holdout is None:
        predicted = predict_folds(chosen, frame, folds, seed, limits)
    else:
        learned, held_out = split_by_expression(chosen, frame, holdout)
        predicted = _predict_split(chosen, frame, learned, held_out, seed, limits)
    return [Figure(kind, part, found) for part, found in by_part(chosen.labels, predicted)]


def predict_folds(kind: TableKind, frame: pd.DataFrame, folds: int, seed: int, limits: Limits) -> pd.DataFrame:
    """`frame` with the prediction of each row by a model that did not see its whole shape."""
    parts = [predict_fold(kind, frame, folds, held, seed, limits) for held in range(folds)]
    return pd.concat(parts).loc[frame.index]


def predict_fold(
    kind: TableKind, frame: pd.DataFrame, folds: int, held: int, seed: int, limits: Limits
) -> pd.DataFrame:
    """The rows of one of the `folds`, counted from 0, with their predictions by a model of the others."""
    fold = shape_folds(kind, frame, folds, seed)
    return _predict_split(kind, frame, fold != held, fold == held, seed, limits)


def _predict_split(
    kind: TableKind, frame: pd.DataFrame, learned: np.ndarray, held_out: np.ndarray, seed: int, limits: Limits
) -> pd.DataFrame:
    model = TableModel.fit(kind, frame[learned], limits, seed)
    return frame[held_out].join(model.predict(frame[held_out]))


def report(figures: Sequence[Figure]) -> str:
    """Figures as a table, one line each."""
    lines = [
        "kind               part                        rows  median     p90    MAPE  in 10%    tau  covered  high/low"
    ]
    for figure in figures:
        found = figure.accuracy
        lines.append(
            f"{figure.kind:18} {figure.part:24} {found.rows:7d} {found.median:7.2%} {found.percentile_90:7.2%}"
            f" {found.mape:7.2%} {found.within_10:7.1%} {found.kendall_tau:6.3f} {found.covered:8.1%}"
            f" {found.width:9.3f}"
        )
    return "\n".join(lines)
