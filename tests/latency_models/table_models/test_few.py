"""Few measurements: which to take, and what to make of them on a device that resembles another."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from frontier.latency_models.table_models import FewModel, Limits, TableModel, Transfer, choose
from frontier.latency_models.tables import KINDS

GEMM = KINDS["gemm"]


def error(predicted_us: np.ndarray, rows: pd.DataFrame) -> float:
    return float(np.median(np.abs(predicted_us / rows["latency_us"] - 1)))


def test_chosen_calls_are_measured_once_and_predict_the_rest(gemm: pd.DataFrame) -> None:
    asked = []

    def measure(rows: pd.DataFrame) -> pd.Series:
        asked.extend(rows.index)
        return gemm["latency_us"][rows.index]

    chosen = choose(GEMM, gemm.drop(columns="latency_us"), measure, 90, seed=0)
    assert len(chosen) == len(set(asked)) == 90
    assert list(chosen.index) == asked
    rest = gemm.drop(index=chosen.index)
    assert error(FewModel.fit(GEMM, chosen).predict_us(rest), rest) < 0.05


def test_choosing_follows_the_seed(gemm: pd.DataFrame) -> None:
    calls = gemm.drop(columns="latency_us")
    first, again, other = (
        list(choose(GEMM, calls, lambda rows: gemm["latency_us"][rows.index], 63, seed).index) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


@pytest.fixture(scope="module")
def known(gemm: pd.DataFrame) -> TableModel:
    return TableModel.fit(GEMM, gemm, Limits(), seed=0)


@pytest.mark.parametrize(("count", "at_most"), [(0, 0.7), (10, 0.15), (50, 0.06), (300, 0.05)])
def test_more_measurements_of_a_slower_device_tell_more(
    gemm: pd.DataFrame, known: TableModel, count: int, at_most: float
) -> None:
    slower = 1.5 * (gemm.k / 500.0) ** 0.05
    new = gemm.assign(latency_us=gemm["latency_us"] * slower)
    transfer = Transfer.fit(GEMM, known, new.head(count))
    rest = new.tail(200)
    assert error(transfer.predict_us(rest), rest) < at_most
