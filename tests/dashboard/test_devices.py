"""The pages of devices as plain functions: what is read, drawn and told, and what an empty ledger says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frontier.dashboard.access.access import Access
from frontier.dashboard.devices import list_page as devices
from frontier.dashboard.devices import page as device
from frontier.dashboard.devices.check import chosen, pair_rows
from frontier.dashboard.devices.hardware_words import composition_words, facts, kind, summary
from frontier.dashboard.devices.kernel_tables import families_table, kernel_rows
from frontier.dashboard.devices.reading import DeviceReading, read_device, read_devices, shapes
from frontier.dashboard.devices.roofline_share import by_family, with_share
from frontier.dashboard.devices.utilisation_figure import utilisation_figure, utilisation_words
from frontier.dashboard.devices.validation_figure import validation_figure, validation_words
from frontier.dashboard.devices.validation_table import validation_rows
from frontier.dashboard.numbers import percent
from frontier.dashboard.reader import NotThere, Reader
from frontier.dashboard.routes import page
from frontier.dashboard.site import Site
from frontier.db import KernelTable, Roofs, open_ledger

from .conftest import HARDWARE, seed_device
from .test_dashboard_layouts import text

TABLE = pd.DataFrame({"m": [1, 63], "n": [2, 3], "runtime": ["vllm", "vllm"], "latency_us": [1.0, 2.0]})


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A measured device and an imported one."""
    path = str(tmp_path / "frontier.db")
    seed_device(path)
    hardware = {
        "device": "NVIDIA H200",
        "backend": "table",
        "runtimes": ["vllm"],
        "doubts": {"gemm": "3 rows too fast"},
    }
    tables = [KernelTable("gemm", TABLE, [{"file": "gemm.parquet", "sha256": "ab", "rows": 2}])]
    with open_ledger(path) as ledger:
        ledger.import_device("h200", hardware, tables)
    return path


@pytest.fixture
def reading(path: str) -> DeviceReading:
    return read_device(Reader(path), "laptop")


def layout(reading: DeviceReading, **changes: str) -> str:
    view = {key: allowed[0] for key, allowed in device.choices(reading).items()}
    return text(device.layout(reading, view | changes))


class TestDevices:
    def test_the_page_lists_what_the_ledger_holds(self, path: str) -> None:
        reading = read_devices(Reader(path))
        imported, measured = devices.table_rows(reading)
        latest = reading.validations.iloc[-1]
        assert text(measured[0]) == "laptop"
        assert measured[0].href == "/device/laptop"
        assert measured[1:4] == ["measured", "AMD EPYC, 2 threads, float32, eager", "matmul, pointwise"]
        spread = percent(reading.families["spread_us"].sum() / reading.families["median_us"].sum())
        assert measured[5:] == ["7", spread, "0", percent(latest["mape"]), "2.0\u00a0%", "0.80"]
        assert imported[1:4] == ["imported", "NVIDIA H200", "–"]
        assert imported[5:] == ["0", "–", "2", "–", "–", "–"]

    def test_validations_come_latest_first(self, path: str) -> None:
        rows = validation_rows(read_devices(Reader(path)).validations)
        assert [row["id"] for row in rows] == ["2", "1"]
        assert [row["count_text"] for row in rows] == ["10", "9"]
        assert rows[0]["kendall_tau_text"] == "0.80"
        assert rows[0]["workload"] == "tiny-lm, decode, batch 1, 256 tokens"
        json.dumps(rows, allow_nan=False)

    def test_an_empty_ledger_says_how_to_get_a_device(self, tmp_path: Path) -> None:
        path = str(tmp_path / "empty.db")
        open_ledger(path).close()
        words = text(page("/devices", "", Site(Reader(path), Access())).content)
        assert "frontier device profile" in words
        assert "frontier device import" in words

    def test_a_device_without_a_check_says_how_to_make_one(self, tmp_path: Path) -> None:
        path = str(tmp_path / "unchecked.db")
        seed_device(path, checks=0)
        assert "frontier device validate" in text(devices.layout(read_devices(Reader(path))))
        assert "frontier device validate" in layout(read_device(Reader(path), "laptop"))


class TestDevice:
    def test_the_page_says_what_the_device_is(self, reading: DeviceReading) -> None:
        words = layout(reading)
        for said in ("AMD EPYC", "Threads used 2", "float32", "Nothing was imported", "a launch takes 4.00 µs"):
            assert said in words

    def test_the_latest_check_is_shown_unless_another_is_asked_for(self, reading: DeviceReading) -> None:
        first, latest = (row for _, row in reading.validations.iterrows())
        assert f"off by {percent(latest['mape'])} on average" in layout(reading)
        assert f"off by {percent(first['mape'])} on average" in layout(reading, check="1")
        assert "10 held-out architectures of tiny-lm, decode, batch 1, 256 tokens" in layout(reading)

    def test_an_imported_device_lists_its_tables(self, path: str) -> None:
        reading = read_device(Reader(path), "h200")
        words = layout(reading)
        for said in (
            "gemm",
            "gemm.parquet",
            "2 rows of 1 kinds of kernels",
            "3 rows too fast",
            "No kernel of this device",
        ):
            assert said in words

    @pytest.mark.parametrize(
        ("address", "title"),
        [
            ("/device/laptop", "laptop"),
            ("/device/h200/", "h200"),
            ("/device/nobody", "Not found"),
            ("/devices", "Devices"),
        ],
    )
    def test_every_address_has_a_page(self, path: str, address: str, title: str) -> None:
        assert page(address, "?check=99", Site(Reader(path), Access())).title == title

    def test_who_is_not_there(self, path: str) -> None:
        with pytest.raises(NotThere, match="nobody"):
            read_device(Reader(path), "nobody")


class TestRooflineShare:
    kernels = pd.DataFrame(
        {
            "op": ["mm", "mm", "add", "add"],
            "family": ["matmul", "matmul", "pointwise", "pointwise"],
            "shapes": [""] * 4,
            "flops": [4e6, 1e3, 0.0, 0.0],
            "bytes": [1e3, 8e3, 2e3, 16.0],
            "median_us": [2.0, 4.0, 1.0, 0.05],
            "spread_us": [0.5, 0.5, 0.25, 0.2],
            "count": [9] * 4,
        }
    )
    roofs = Roofs(flops_per_second=4e12, bytes_per_second=4e9, kernels=4)

    def test_it_is_the_longer_of_computing_and_moving_over_the_time_taken(self) -> None:
        found = with_share(self.kernels, self.roofs)
        np.testing.assert_allclose(found["share"], [0.5, 0.5, 0.5, 0.08])
        assert found["lost"].tolist() == [False, False, False, True]

    def test_families_count_what_is_lost(self) -> None:
        rows = by_family(with_share(self.kernels, self.roofs)).set_index("family")
        assert rows.loc["pointwise", ["calls", "lost", "share"]].tolist() == [2, 1, 0.5]
        assert rows.loc["matmul", "spread_share"] == pytest.approx(1 / 6)
        words = text(families_table(with_share(self.kernels, self.roofs)))
        assert "pointwise 2 1" in words

    def test_a_device_that_computes_nothing_has_shares_too(self) -> None:
        found = with_share(self.kernels.assign(flops=0.0), Roofs(0.0, 4e9, 4))
        assert np.isfinite(found["share"]).all()

    def test_each_family_is_drawn_over_the_size_asked_for(self) -> None:
        kernels = with_share(self.kernels, self.roofs)
        figure = utilisation_figure(kernels, "bytes")
        assert [(trace.name, len(trace.x)) for trace in figure.data] == [("matmul", 2), ("pointwise", 1)]
        np.testing.assert_allclose(figure.data[0].y, [50, 50])
        over_flops = utilisation_figure(kernels, "flops")
        assert [trace.name for trace in over_flops.data] == ["matmul"]
        assert over_flops.data[0].marker.color == figure.data[0].marker.color
        assert over_flops.layout.xaxis.title.text == "floating-point operations"
        assert "1 of 4 calls" in utilisation_words(kernels)
        assert utilisation_figure(kernels.head(0), "bytes").layout.annotations[0].text

    def test_names_are_no_markup(self) -> None:
        kernels = with_share(self.kernels.assign(op="<b>x</b>", family="<i>y</i>"), self.roofs)
        drawn = utilisation_figure(kernels, "bytes").data[0]
        assert drawn.name == "&lt;i&gt;y&lt;/i&gt;"
        assert drawn.customdata[0][0] == "&lt;b&gt;x&lt;/b&gt;"

    def test_the_table_holds_every_call_and_no_share_of_the_lost(self) -> None:
        rows = kernel_rows(with_share(self.kernels, self.roofs))
        assert [row["median_us"] for row in rows] == [4.0, 2.0, 1.0, 0.05]
        assert [row["share_text"] for row in rows] == ["50.0\u00a0%", "50.0\u00a0%", "50.0\u00a0%", "–"]
        json.dumps(rows, allow_nan=False)


class TestValidationFigure:
    def test_points_lie_at_measured_and_predicted_with_their_interval(self, reading: DeviceReading) -> None:
        check = chosen(reading, "2")
        figure = validation_figure(check["pairs"], check["floor_mape"])
        points = next(trace for trace in figure.data if trace.name == "architecture")
        pairs = pd.DataFrame(check["pairs"])
        np.testing.assert_allclose(points.x, pairs["measured_ms"])
        np.testing.assert_allclose(points.y, pairs["predicted_ms"])
        np.testing.assert_allclose(points.error_y.array, pairs["high_ms"] - pairs["predicted_ms"])
        assert {"exact", "error of measuring again, ± 2.0\u00a0%"} <= {trace.name for trace in figure.data}
        assert figure.layout.xaxis.range == figure.layout.yaxis.range

    def test_a_check_without_pairs_says_so(self) -> None:
        assert validation_figure([], None).layout.annotations[0].text == "The pairs of this check were not kept"
        row = {"space": "s", "phase": "train", "batch": 1, "seq_len": 2, "count": 3}
        nothing = dict.fromkeys(("mape", "median_ape", "within_10", "floor_mape", "kendall_tau"))
        assert "no figure was kept" in validation_words(row | nothing)

    def test_pairs_are_listed_by_what_was_measured(self, reading: DeviceReading) -> None:
        pairs = chosen(reading, "1")["pairs"]
        rows = pair_rows(pairs)
        assert [row["measured_ms"] for row in rows] == sorted(pair["measured_ms"] for pair in pairs)
        assert all(abs(row["error"]) <= 0.1 for row in rows)
        json.dumps(rows, allow_nan=False)


@pytest.mark.parametrize(
    ("hardware", "kinds", "line"),
    [
        (HARDWARE, "measured", "AMD EPYC, 2 threads, float32, eager"),
        ({"device": "cuda", "gpu": "H200", "threads": 1, "backend": "graph"}, "measured", "H200, graph"),
        ({"device": "H200", "backend": "table"}, "imported", "H200"),
        ({"device": "B200", "backend": "table", "like": "h200"}, "like another", "B200"),
        ({}, "measured", ""),
    ],
    ids=["cpu", "gpu", "tables", "like", "nothing"],
)
def test_hardware_in_a_line(hardware: Mapping[str, object], kinds: str, line: str) -> None:
    assert (kind(hardware), summary(hardware)) == (kinds, line)


def test_hardware_in_full() -> None:
    told = dict(facts({"memory_bytes": 2**31, "cudnn": 90100, "cuda": None, "doubts": {}, "new_thing": "x"}))
    assert told == {"Memory": "2048\u00a0MiB", "cuDNN": "90100", "new thing": "x"}
    assert composition_words({"kernel_factor": 0.7, "mape": 0.185}) == (
        "kernels take 0.700 of their own time; off by 18.5\u00a0% on architectures left out"
    )


def test_shapes_are_those_of_the_tensors() -> None:
    call = {"args": [{"tensor": [1, 4, 16]}, 2, [{"tensor": [16]}]], "kwargs": {"out": {"tensor": []}}}
    assert shapes(json.dumps(call)) == "1×4×16, 16, scalar"
    assert shapes('{"args":[2],"kwargs":{}}') == ""
