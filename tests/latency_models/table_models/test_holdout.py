"""What is held out shares no whole shape with what is learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from frontier.errors import InputError
from frontier.latency_models.table_models.holdout import shape_folds, split_by_expression
from frontier.latency_models.tables import KINDS

GEMM = KINDS["gemm"]


def shapes(rows: pd.DataFrame) -> set[tuple[int, int]]:
    return set(zip(rows.n, rows.k, strict=True))


def test_folds_share_no_whole_shape(gemm: pd.DataFrame) -> None:
    fold = shape_folds(GEMM, gemm, 5, seed=0)
    seen = [shapes(gemm[fold == number]) for number in range(5)]
    assert sum(len(one) for one in seen) == len(set().union(*seen)) == 64
    assert {len(one) for one in seen} == {12, 13}


def test_folds_follow_the_seed(gemm: pd.DataFrame) -> None:
    first, again, other = (shape_folds(GEMM, gemm, 5, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_expression_takes_its_rows_and_leaves_their_shapes_out(gemm: pd.DataFrame) -> None:
    learned, held_out = split_by_expression(GEMM, gemm, "n > 1000 and m > 100")
    assert (gemm[held_out].n > 1000).all()
    assert (gemm[held_out].m > 100).all()
    assert not shapes(gemm[learned]) & shapes(gemm[held_out])
    assert (~learned & ~held_out).sum() == ((gemm.n > 1000) & (gemm.m <= 100)).sum()


@pytest.mark.parametrize(
    ("expression", "rule"),
    [
        ("n >", "a condition on"),
        ("width > 3", "a condition on"),
        ("n + k", "true or false"),
        ("latency_us > 3", "a condition on"),
        ("@gemm.n > 3", "a condition on"),
        ("", "a condition on"),
        ("n > 100000", "at least one row"),
        ("n > 0", "left to learn from"),
        ("m > 1", "left to learn from"),
    ],
)
def test_a_bad_expression_is_refused(gemm: pd.DataFrame, expression: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule) as refused:
        split_by_expression(GEMM, gemm, expression)
    assert "\n" not in str(refused.value)
    assert repr(expression) in str(refused.value)
