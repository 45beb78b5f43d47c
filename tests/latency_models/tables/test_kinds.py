"""Every kind of table: what its rows compute and move, against counts made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from frontier.latency_models.tables import KINDS
from frontier.latency_models.tables.dtypes import DTYPE_WORDS, activation_bytes, element_bytes
from frontier.latency_models.tables.moe import distinct_experts
from frontier.latency_models.tables.reader import read_tables

CONV = 3 * 5 + 2 * 1 * 7  # channels of the convolution
HEADS = 6 * 63
KV = 3 * 63


def pairs(length: int, window: int) -> int:
    """Pairs of tokens that a causal mask and a window let through, one by one."""
    return sum(1 for query in range(length) for key in range(query + 1) if not window or query - key < window)


FLOPS: dict[str, list[float]] = {
    "gemm": [2 * 1 * 63 * 1000, 2 * 127 * 63 * 1000, 2 * 127],
    "prefill_attention": [4 * HEADS, 4 * 3 * HEADS * pairs(63, 0), 4 * 3 * HEADS * pairs(63, 10)],
    "decode_attention": [4 * HEADS, 4 * 3 * HEADS * 63, 4 * 3 * HEADS * 10],
    "moe": [6 * 1 * 2 * 63 * 31 / (3 * 5), 6 * 1000 * 2 * 63 * 31 / (3 * 5)],
    "mamba2": [
        2 * 4 * CONV * 189,
        2 * 4 * CONV * 3,
        189 * (128 * (7 + 15) + 4 * 15 * 7),
        5 * 3 * 15 * 7,
    ],
    "collective": [0, 0],
}
BYTES: dict[str, list[float]] = {
    "gemm": [2 * (1000 + 63000 + 63), 127 * 1000 + 63000 + 2 * 127 * 63, 0.5 + 2 * 127 + 2 * 127],
    "prefill_attention": [
        4 * HEADS + 4 * KV,
        3 * 63 * (4 * HEADS + 2 * KV),
        3 * 63 * (4 * HEADS + 2 * KV),
    ],
    "decode_attention": [4 * KV + 4 * HEADS, 3 * (2 * 63 * KV + 4 * HEADS), 3 * (4 * 10 * KV + 4 * HEADS)],
    "moe": [
        3 * (1 - 7 / 9) * 3 * 63 * 31 / 5 * 2 + 4 * 63,
        3 * (1 - (7 / 9) ** 1000) * 3 * 63 * 31 / 5 * 0.5 + 4 * 1000 * 63,
    ],
    "mamba2": [
        2 * CONV * (2 * 189 + 5),
        2 * CONV * (2 * 3 + 5) + 4 * 3 * CONV * 3,
        2 * (189 * (30 + 14 + 3) + 3 * 15 * 7),
        2 * (3 * (30 + 14 + 3) + 2 * 3 * 15 * 7),
    ],
    "collective": [2 * 1 / 2 * 510, 7 / 8 * 1001],
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def frame(kind: str, published: Callable[[str], pd.DataFrame], write: Callable) -> pd.DataFrame:
    return read_tables([write(published(kind))])[kind]


def test_flops_and_bytes_are_those_counted_by_hand(kind: str, frame: pd.DataFrame) -> None:
    np.testing.assert_allclose(KINDS[kind].flops(frame), FLOPS[kind], rtol=1e-12)
    np.testing.assert_allclose(KINDS[kind].bytes(frame), BYTES[kind], rtol=1e-12)


def test_costs_follow_the_rows_wherever_they_stand(kind: str, frame: pd.DataFrame) -> None:
    turned = frame.iloc[::-1]
    assert KINDS[kind].flops(turned).sort_index().tolist() == KINDS[kind].flops(frame).tolist()
    assert KINDS[kind].bytes(turned).sort_index().tolist() == KINDS[kind].bytes(frame).tolist()


def test_the_greatest_shapes_do_not_overflow(kind: str, frame: pd.DataFrame) -> None:
    great = frame.assign(**dict.fromkeys(KINDS[kind].shape, 2**53))
    assert (KINDS[kind].flops(great) >= 0).all()
    assert (KINDS[kind].bytes(great) > 0).all()


def test_a_kind_is_whole(kind: str) -> None:
    described = KINDS[kind]
    assert described.name == kind
    assert set(described.published) == set(described.call)
    assert set(described.whole_shape) <= set(described.call)
    assert set(described.least) <= set(described.shape)
    assert set(described.words) <= set(described.labels)
    assert not {"kind", "device", "file", "row", "runtime", "latency_us"} & set(described.call)


def test_every_dtype_has_a_size() -> None:
    dtypes = pd.Series(list(DTYPE_WORDS.values()))
    assert (element_bytes(dtypes) > 0).all()
    assert (activation_bytes(dtypes) >= element_bytes(dtypes)).all()


def test_no_more_experts_are_read_than_there_are() -> None:
    rows = pd.DataFrame({"tokens": [1, 3, 10**9, 5], "top_k": [8, 8, 8, 9], "num_experts": [64, 64, 64, 8], "ep": 4})
    np.testing.assert_allclose(distinct_experts(rows), [2, 16 * (1 - (7 / 8) ** 3), 16, 2])
