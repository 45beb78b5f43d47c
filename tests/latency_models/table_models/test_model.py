"""A model of a table: it finds the law, says how sure it is and where it guesses, and survives being kept as bytes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from frontier.errors import InputError
from frontier.latency_models.table_models import Limits, TableModel, accuracy, from_bytes, to_bytes
from frontier.latency_models.table_models.evaluate import predict_folds
from frontier.latency_models.tables import KINDS

LIMITS = Limits(multiprocessors=7)


@pytest.fixture(scope="module")
def model(gemm: pd.DataFrame) -> TableModel:
    return TableModel.fit(KINDS["gemm"], gemm, LIMITS, seed=3)


@pytest.fixture(scope="module")
def smooth(collective: pd.DataFrame) -> TableModel:
    return TableModel.fit(KINDS["collective"], collective, Limits(), seed=3)


def call(m: int, n: int, k: int, dtype: str = "bfloat16") -> pd.DataFrame:
    return pd.DataFrame({"m": [m], "n": [n], "k": [k], "dtype": [dtype]})


def test_the_law_is_found_on_shapes_never_seen(gemm: pd.DataFrame) -> None:
    found = accuracy(predict_folds(KINDS["gemm"], gemm, folds=3, seed=1, limits=LIMITS))
    assert found.median < 0.05
    assert found.kendall_tau > 0.88
    assert 0.85 < found.covered < 0.96
    assert found.width < 1.5


def test_the_law_is_found_without_knowing_the_device(gemm: pd.DataFrame) -> None:
    assert accuracy(predict_folds(KINDS["gemm"], gemm, folds=2, seed=1, limits=Limits())).median < 0.06


def test_a_small_table_is_smooth(collective: pd.DataFrame) -> None:
    found = accuracy(predict_folds(KINDS["collective"], collective, folds=3, seed=1, limits=Limits()))
    assert found.median < 0.05
    assert 0.75 < found.covered <= 1


def test_fitting_twice_gives_the_same_bytes(gemm: pd.DataFrame, model: TableModel) -> None:
    assert to_bytes(TableModel.fit(KINDS["gemm"], gemm, LIMITS, seed=3)) == to_bytes(model)


@pytest.mark.parametrize("name", ["model", "smooth"])
def test_bytes_give_the_same_model(name: str, request: pytest.FixtureRequest) -> None:
    fitted = request.getfixturevalue(name)
    rows = request.getfixturevalue(fitted.kind.name).drop(columns="latency_us").head(63)
    again = from_bytes(to_bytes(fitted))
    pd.testing.assert_frame_equal(again.predict(rows), fitted.predict(rows), check_exact=True)
    assert to_bytes(again) == to_bytes(fitted)


@pytest.mark.parametrize("saved", [b"", b"no model", b"PK\x05\x06" + bytes(18)], ids=["empty", "text", "empty zip"])
def test_other_bytes_are_refused(saved: bytes) -> None:
    with pytest.raises(InputError, match="frontier table model 2"):
        from_bytes(saved)


def test_a_size_beyond_the_table_is_flagged_and_less_sure(model: TableModel) -> None:
    inside, outside = (model.predict(call(1000, n, 1000)).iloc[0] for n in (3000, 24000))
    assert not inside["extrapolates"]
    assert outside["extrapolates"]
    assert outside["time_us"] == pytest.approx(8 * inside["time_us"], rel=0.2)
    assert outside["high_us"] / outside["low_us"] > 1.5 * inside["high_us"] / inside["low_us"] - 0.5


def test_intervals_hold_the_prediction(gemm: pd.DataFrame, model: TableModel) -> None:
    found = model.predict(gemm)
    assert (found["low_us"] <= found["time_us"]).all()
    assert (found["time_us"] <= found["high_us"]).all()


def test_predictions_keep_the_index_of_the_rows(gemm: pd.DataFrame, model: TableModel) -> None:
    rows = gemm.iloc[[5, 1, 63]].drop(columns=["latency_us", "runtime"])
    found = model.predict(rows)
    assert list(found.index) == [5, 1, 63]
    one_by_one = pd.concat([model.predict(rows.loc[[index]]) for index in rows.index])
    np.testing.assert_allclose(found["time_us"], one_by_one["time_us"], rtol=1e-6)


def test_a_dtype_that_was_not_measured_is_refused(model: TableModel) -> None:
    with pytest.raises(InputError, match="dtype: one of bfloat16; got fp8"):
        model.predict(call(1, 63, 63, "fp8"))


def test_a_table_of_few_shapes_is_refused(gemm: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"whole shapes \(n, k\); got 1"):
        TableModel.fit(KINDS["gemm"], gemm[(gemm.n == 63) & (gemm.k == 63)], LIMITS, seed=0)
