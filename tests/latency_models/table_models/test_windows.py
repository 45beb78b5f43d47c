"""Sliding windows by a device's tables: less than no window where they hide something, the same where they don't."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
import torch

from frontier.latency_models import Prediction, Predictor, Tracer, Workload
from frontier.latency_models.predicting.composition import SUMMED
from frontier.latency_models.table_models import Limits, TableModel
from frontier.latency_models.table_models.kernels import TableKernels
from frontier.latency_models.tables import KINDS
from frontier.search_space import Architecture
from frontier.supernet import ModelShape

KINDS_OF_ATTENTION = {"prefill": "prefill_attention", "decode": "decode_attention"}
Attention = Callable[[str, tuple[int, ...]], TableModel]
Price = Callable[[int | None, Workload], Prediction]


def pricing(models: dict[str, TableModel]) -> Price:
    shape = ModelShape(256, 9000)
    tracer = Tracer(shape, dtype=torch.bfloat16, compiled=True)
    predictor = Predictor(TableKernels(models), dict.fromkeys(KINDS_OF_ATTENTION, SUMMED), shape, tracer)

    def price(window: int | None, workload: Workload) -> Prediction:
        mixer = {"kind": "attention", "num_heads": 8, "num_kv_heads": 2, "head_dim": 64, "window": window}
        block = {"token_mixer": mixer, "channel_mixer": {"kind": "swiglu", "inner": 520}}
        return predictor.predict(Architecture.from_json({"width": 256, "blocks": [block]}), workload)

    return price


@pytest.fixture(scope="module")
def products(gemm: pd.DataFrame) -> TableModel:
    return TableModel.fit(KINDS["gemm"], gemm, Limits(), 0)


@pytest.fixture(scope="module", params=[(0, 128), (0,)], ids=["with windows", "without"])
def price(request: pytest.FixtureRequest, products: TableModel, attention: Attention) -> Price:
    kinds = KINDS_OF_ATTENTION.values()
    return pricing({"gemm": products, **{kind: attention(kind, request.param) for kind in kinds}})


@pytest.mark.parametrize("phase", KINDS_OF_ATTENTION)
def test_a_window_is_priced_below_none_at_long_context(price: Price, phase: str) -> None:
    workload = Workload(phase, 4, 8000)
    windows = [price(window, workload).latency_ms for window in (128, 600, 3000, None)]
    assert windows == sorted(windows)
    assert windows[0] < 0.9 * windows[-1]


@pytest.mark.parametrize("phase", KINDS_OF_ATTENTION)
@pytest.mark.parametrize("window", [129, 9000])
def test_a_window_that_covers_the_context_costs_what_none_costs(price: Price, phase: str, window: int) -> None:
    workload = Workload(phase, 4, 128)
    windowed, full = price(window, workload), price(None, workload)
    assert windowed.latency_ms == full.latency_ms
    assert windowed.high_ms == full.high_ms


@pytest.mark.parametrize("kind", KINDS_OF_ATTENTION.values())
def test_what_no_row_is_about_extrapolates(attention: Attention, kind: str) -> None:
    model, length = attention(kind, (0, 128)), "seq_len" if kind == "prefill_attention" else "context"
    rows = pd.DataFrame({"window": [0, 128, 129, 600, 64]}).assign(
        **{length: 8192}, batch=4, num_heads=8, num_kv_heads=2, head_dim=64, dtype="bfloat16", kv_dtype="bfloat16"
    )
    found = model.predict(rows)
    assert found["extrapolates"].tolist() == [False, False, True, True, True]
    assert found["time_us"].iloc[2] == pytest.approx(found["time_us"].iloc[1], rel=0.02)
    assert found["time_us"].iloc[1] < found["time_us"].iloc[3] < found["time_us"].iloc[0]
    law = 3.0 + KINDS[kind].flops(rows) / 200e6 + KINDS[kind].bytes(rows) / 2e6
    assert (found["time_us"] / law).between(0.75, 1.35).all()
    width = found["high_us"] / found["low_us"]
    assert width.iloc[3] > max(width.iloc[:2])


def test_only_windows_that_were_measured_are_told_apart(attention: Attention) -> None:
    """Rows keep their order and index, whatever they are predicted from."""
    model = attention("decode_attention", (0, 128))
    rows = pd.DataFrame({"window": [600, 0, 128, 64]}, index=["a", "b", "c", "d"]).assign(
        context=2000, batch=1, num_heads=8, num_kv_heads=2, head_dim=64, dtype="bfloat16", kv_dtype="bfloat16"
    )
    together = model.predict(rows)
    for name in rows.index:
        pd.testing.assert_frame_equal(model.predict(rows.loc[[name]]), together.loc[[name]])
