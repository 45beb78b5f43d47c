"""The figures of an architecture's page as plain functions."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from frontier.dashboard.architecture import latency as architecture_latency
from frontier.dashboard.architecture.agreement_figure import agreement_figure, errors, within
from frontier.dashboard.architecture.breakdown_figure import breakdown_figure, families
from frontier.dashboard.architecture.roofline_figure import has_operations, placed, roof_at, roofline_figure
from frontier.dashboard.charts import plain
from frontier.db import Roofs

from .test_dashboard_layouts import text

ROOFS = Roofs(flops_per_second=4e11, bytes_per_second=2e10, kernels=63)
FLASH = "aten._scaled_dot_product_flash_attention_for_cpu.default"
LINES = [
    ("embed", "aten.embedding.default", "gather", 1, 0.02, True, 0, 4096),
    ("blocks.0.token_mixer", "aten.mm.default", "matmul", 4, 0.5, True, 10**8, 2 * 10**6),
    ("blocks.0.token_mixer", FLASH, "attention", 1, 0.2, False, 10**7, 10**6),
    ("host", "launch gaps", "launch", 7, 0.3, False, None, None),
    ("host", "fixed", "launch", 1, -0.05, False, None, None),
]  # fmt: skip
KEYS = ["layer", "op", "family", "calls", "latency_ms", "measured", "flops", "bytes"]
KERNELS = pd.DataFrame(LINES, columns=KEYS).assign(phase="decode").astype({"flops": "Int64", "bytes": "Int64"})


def trace(figure: object, name: str) -> object:
    return next(trace for trace in figure.data if trace.name == name)


@pytest.mark.parametrize("by", ["layer", "op"])
def test_bars_by_layer_and_by_kernel_add_up_to_the_same(by: str) -> None:
    figure = breakdown_figure(KERNELS, families(KERNELS), by)
    assert sum(np.sum(bar.x) for bar in figure.data) == pytest.approx(KERNELS["latency_ms"].sum())
    assert len(figure.layout.yaxis.ticktext) == KERNELS[by].nunique()
    assert figure.layout.barmode == "relative"


def test_kernels_come_the_longest_first_and_their_names_are_whole() -> None:
    axis = breakdown_figure(KERNELS, families(KERNELS), "op").layout.yaxis
    assert axis.tickvals[0] == "aten.mm.default"
    long = next(label for label in axis.ticktext if "flash" in label)
    assert long.replace("<br>", "") == FLASH


def test_a_kernel_stands_at_its_intensity_and_its_speed() -> None:
    figure = roofline_figure(KERNELS, families(KERNELS), ROOFS)
    matmul = trace(figure, "matmul")
    assert list(matmul.x) == [50.0]
    assert list(matmul.y) == [pytest.approx(1e8 / 0.5e-3 / 1e9)]
    assert trace(figure, "attention, fitted").marker.symbol == "circle-open"
    assert matmul.marker.symbol == "circle"
    assert "FLOPs per byte" in figure.layout.xaxis.title.text
    assert "GFLOP/s" in figure.layout.yaxis.title.text


def test_what_computes_nothing_has_no_place_and_is_counted() -> None:
    assert len(placed(KERNELS)) == 2
    # A call of a tenth of a microsecond would seem to compute faster than any device.
    assert len(placed(KERNELS.assign(latency_ms=1e-4))) == 0
    words = architecture_latency.roofline_words(KERNELS, ROOFS)
    assert "Left out are 1 of 3 lines" in words
    assert "400 GFLOP/s and 20.0 GB/s" in words


def test_the_roof_bends_where_memory_no_longer_holds_up() -> None:
    assert roof_at(ROOFS, 1.0) == 2e10
    assert roof_at(ROOFS, 20.0) == 4e11
    assert roof_at(ROOFS, 1e6) == 4e11
    roof = trace(roofline_figure(KERNELS, families(KERNELS), ROOFS), "fastest measured on this device")
    assert list(roof.y)[1:] == [400.0, 400.0]


def test_without_measurements_there_is_no_roof() -> None:
    figure = roofline_figure(KERNELS, families(KERNELS), None)
    assert {trace.name for trace in figure.data} == {"matmul", "attention, fitted"}
    assert "no roof is drawn" in architecture_latency.roofline_words(KERNELS, None)


@pytest.mark.parametrize("kept", [KERNELS.drop(columns=["flops", "bytes"]), KERNELS.assign(flops=pd.NA, bytes=pd.NA)])
def test_a_breakdown_without_operations_says_that_there_is_no_roofline(kept: pd.DataFrame) -> None:
    assert not has_operations(kept)
    content = architecture_latency.content(kept, ROOFS, "decode", "layer")
    assert "there is no roofline" in text(content)
    json.dumps(architecture_latency.kernel_rows(kept), allow_nan=False)


def test_the_table_holds_what_the_roofline_draws() -> None:
    rows = {row["op"]: row for row in architecture_latency.speed_rows(KERNELS, ROOFS)}
    matmul = rows["aten.mm.default"]
    assert set(rows) == {"aten.mm.default", FLASH}
    assert (matmul["intensity"], matmul["gflops"], matmul["gbytes"]) == (50.0, pytest.approx(200), pytest.approx(4))
    assert matmul["roof_share"] == pytest.approx(0.5)
    json.dumps(list(rows.values()), allow_nan=False)
    assert architecture_latency.speed_rows(KERNELS, None)[0]["roof_share_text"] == "–"


def test_a_fixed_part_below_nothing_is_told() -> None:
    words = text(architecture_latency.summary(KERNELS))
    assert "Fixed per run -0.0500 ms" in words
    assert "Launch gaps 0.300 ms" in words
    assert "7 of them" in words


def test_an_empty_phase_is_said_in_words() -> None:
    figure = roofline_figure(KERNELS[KERNELS["family"] == "gather"], families(KERNELS), ROOFS)
    assert "No kernel" in figure.layout.annotations[0].text


MEASURED = pd.DataFrame(
    [["aa", 1.0, 0.9, 1.2, 1.1], ["bb", 2.0, 1.9, 2.1, 2.5], ["cc", 3.0, np.nan, np.nan, 3.0]],
    columns=["digest", "latency_ms", "latency_low_ms", "latency_high_ms", "latency_measured_ms"],
)


def test_this_architecture_stands_out_among_the_measured() -> None:
    figure = agreement_figure(MEASURED, "bb")
    own, others = trace(figure, "this architecture"), trace(figure, "other finalists")
    assert (list(own.x), list(own.y)) == ([2.5], [2.0])
    assert own.marker.symbol != others.marker.symbol
    assert list(others.customdata) == ["aa", "cc"]
    np.testing.assert_allclose(others.error_y.array, [0.2, 0.0])
    np.testing.assert_allclose(others.error_y.arrayminus, [0.1, 0.0])
    assert "(ms)" in figure.layout.xaxis.title.text
    json.dumps(plain(figure), allow_nan=False, default=str)


def test_errors_and_intervals_of_the_measured() -> None:
    np.testing.assert_allclose(errors(MEASURED), [1 / 1.1 - 1, -0.2, 0.0])
    assert within(MEASURED) == 1


def test_one_measured_model_and_none() -> None:
    assert len(agreement_figure(MEASURED.head(1), "aa").data) == 2
    assert "No architecture" in agreement_figure(MEASURED.head(0), "aa").layout.annotations[0].text
