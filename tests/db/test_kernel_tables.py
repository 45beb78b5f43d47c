"""Imported devices: their tables come back as they were given, and a refused import leaves nothing."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from frontier.db import KernelMeasurement, KernelTable, Ledger
from frontier.errors import InputError

SOURCES = [{"file": "a.parquet", "sha256": "5e", "rows": 3}]


def gemm() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "m": pd.Series([1, 63, 2**40], dtype="int64"),
            "dtype": pd.Series(["fp8", "bfloat16", "前"], dtype="str"),
            "runtime": pd.Series(["b 2", "a 1", "b 2"], dtype="str"),
            "latency_us": [0.1, 1 / 3, 1e9],
        }
    )


def test_a_table_comes_back_as_it_was_given(ledger: Ledger) -> None:
    hardware = {"device": "X 1", "backend": "table", "doubts": {"gemm": "naïve"}}
    ledger.import_device("x", hardware, [KernelTable("gemm", gemm(), SOURCES), KernelTable("moe", gemm()[:1], [])])
    back = ledger.kernel_table("x", "gemm")
    assert back is not None
    assert_frame_equal(back, gemm(), check_exact=True)
    assert ledger.kernel_table("x", "mamba2") is None
    assert ledger.kernel_table("y", "gemm") is None
    listed = ledger.kernel_tables("x")
    assert listed[["kind", "row_count"]].to_numpy().tolist() == [["gemm", 3], ["moe", 1]]
    assert listed["runtimes"].tolist() == [["a 1", "b 2"], ["b 2"]]
    assert listed["sources"].tolist() == [SOURCES, []]
    device = ledger.device("x")
    assert device is not None
    assert (device.hardware, device.composition) == (hardware, {})


def test_the_list_of_devices_counts_rows_of_tables(ledger: Ledger) -> None:
    ledger.import_device("x", {}, [KernelTable("gemm", gemm(), []), KernelTable("moe", gemm()[:2], [])])
    ledger.import_device("y", {}, [KernelTable("gemm", gemm()[:1], [])])
    ledger.save_device("mine", {}, {})
    ledger.add_measurements("mine", [KernelMeasurement("k", "op", "family", "{}", 1, 1, 1.0, 0.0, 1)])
    counts = ledger.devices()[["name", "measurements", "table_rows"]]
    assert counts.to_numpy().tolist() == [["mine", 1, 0], ["x", 0, 5], ["y", 0, 1]]
    assert ledger.devices().dtypes["table_rows"] == "int64"


def test_a_name_that_is_taken_is_refused_and_keeps_what_it_has(ledger: Ledger) -> None:
    ledger.save_device("x", {"device": "cpu"}, {})
    with pytest.raises(InputError, match=r"device: must be new in .*; got 'x'"):
        ledger.import_device("x", {"device": "other"}, [KernelTable("gemm", gemm(), [])])
    device = ledger.device("x")
    assert device is not None
    assert device.hardware == {"device": "cpu"}
    assert ledger.kernel_tables("x").empty


@pytest.mark.parametrize("bad", [[{"rows": float("inf")}], [{"rows": object()}]], ids=["infinity", "no-json"])
def test_an_import_that_fails_leaves_nothing(ledger: Ledger, bad: list[dict[str, Any]]) -> None:
    tables = [KernelTable("gemm", gemm(), SOURCES), KernelTable("moe", gemm(), bad)]
    with pytest.raises(Exception, match="JSON"):
        ledger.import_device("x", {}, tables)
    assert ledger.device("x") is None
    assert ledger.kernel_tables("x").empty
    assert ledger.devices().empty


def test_what_was_fitted_stands_beside_its_table(ledger: Ledger) -> None:
    ledger.import_device("x", {}, [KernelTable("gemm", gemm(), []), KernelTable("moe", gemm()[:2], [])])
    assert ledger.kernel_models("x") == {"gemm": None, "moe": None}
    ledger.save_kernel_model("x", "gemm", b"first")
    ledger.save_kernel_model("x", "gemm", b"\x00second")
    assert ledger.kernel_models("x") == {"gemm": b"\x00second", "moe": None}
    assert ledger.kernel_models("y") == {}
    with pytest.raises(InputError, match=r"device: one with a table of mamba2 in .*; got 'x'"):
        ledger.save_kernel_model("x", "mamba2", b"")
