"""The report, on made tables and, where there is one, on a published one."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from frontier.latency_models.table_models import evaluate, limits_of, report
from frontier.latency_models.tables.reader import read_tables

FOLDER = os.environ.get("FRONTIER_KERNEL_TABLES")


def test_a_report_has_all_rows_and_each_decade(gemm: pd.DataFrame) -> None:
    figures = evaluate("gemm", gemm, folds=2)
    by_part = {figure.part: figure.accuracy.rows for figure in figures}
    assert by_part["all"] == len(gemm)
    assert sum(rows for part, rows in by_part.items() if " us to " in part) == len(gemm)
    assert len(report(figures).splitlines()) == len(figures) + 1


def test_a_condition_holds_out_the_rows_it_selects(gemm: pd.DataFrame) -> None:
    figures = evaluate("gemm", gemm, holdout="n > 1000")
    assert figures[0].accuracy.rows == (gemm.n > 1000).sum()
    assert figures[0].accuracy.extrapolated == 1
    assert figures[0].accuracy.median < 0.2


@pytest.mark.skipif(not FOLDER, reason="FRONTIER_KERNEL_TABLES names no folder of kernel tables")
def test_a_published_table_is_predicted() -> None:
    paths = sorted(Path(FOLDER or "").glob("*gemm*.parquet"))
    table = read_tables(paths)["gemm"]
    some = table[(table["dtype"] == "bfloat16") & table["m"].isin([16, 17, 256, 257, 1024, 4096])].reset_index(
        drop=True
    )
    everything = evaluate("gemm", some, folds=3, limits=limits_of("NVIDIA H200"))[0].accuracy
    assert everything.median < 0.06
    assert everything.kendall_tau > 0.93
    assert 0.85 < everything.covered < 0.95
