"""Boosted trees, one set per fold: together they predict, and each predicts what it did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xgboost
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Values = NDArray[np.float64]

# One thread: sums in another order give other trees.
THREADS = 1


@dataclass(frozen=True)
class Growth:
    """How trees are grown. `rounds` is their number per fold, `columns` and `rows` the share that each tree sees."""

    rounds: int
    depth: int
    rate: float
    least_rows: int = 5
    objective: str = "reg:absoluteerror"
    columns: float = 0.5
    rows: float = 0.8


class Forest:
    """Boosted trees that were grown without one fold each. Their mean is the prediction for rows of new shapes."""

    def __init__(self, boosters: Sequence[xgboost.Booster]) -> None:
        self._boosters = tuple(boosters)

    @property
    def folds(self) -> int:
        """How many sets of trees there are."""
        return len(self._boosters)

    @classmethod
    def grow(cls, features: Rows, target: Values, fold: NDArray[np.int64], growth: Growth, seed: int) -> Forest:
        """Grow trees on every fold but one, for each of them. Folds count from 0."""
        return cls(
            [_grow(features[fold != held], target[fold != held], growth, seed) for held in range(fold.max() + 1)]
        )

    def held_out(self, features: Rows, fold: NDArray[np.int64]) -> Values:
        """Predictions for the rows the forest was grown on, each by the trees that did not see its fold."""
        predicted = np.empty(len(features))
        for held, booster in enumerate(self._boosters):
            predicted[fold == held] = _predict(booster, features[fold == held])
        return predicted

    def predict_each(self, features: Rows) -> Values:
        """What the trees of each fold predict, (folds, rows)."""
        return np.stack([_predict(booster, features) for booster in self._boosters])

    def save(self) -> list[bytes]:
        """Each fold's trees in XGBoost's own binary JSON."""
        return [bytes(booster.save_raw("ubj")) for booster in self._boosters]

    @classmethod
    def load(cls, saved: Sequence[bytes]) -> Forest:
        """What `save` gave."""
        return cls([xgboost.Booster({"nthread": THREADS}, model_file=bytearray(raw)) for raw in saved])


def _grow(features: Rows, target: Values, growth: Growth, seed: int) -> xgboost.Booster:
    settings = {
        "objective": growth.objective,
        "eta": growth.rate,
        "max_depth": growth.depth,
        "min_child_weight": growth.least_rows,
        "subsample": growth.rows,
        "colsample_bytree": growth.columns,
        "tree_method": "hist",
        "nthread": THREADS,
        "seed": seed,
    }
    return xgboost.train(settings, xgboost.QuantileDMatrix(features, target, nthread=THREADS), growth.rounds)


def _predict(booster: xgboost.Booster, features: Rows) -> Values:
    return np.asarray(booster.inplace_predict(features), dtype=np.float64)
