"""A call that was measured more than once: what stands for it, and what is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from frontier.errors import InputError
from frontier.latency_models.tables.reader import TableImport, read_import
from frontier.latency_models.tables.repeats import CHOICES, TOLERANCE, Repeats

Published = Callable[[str], pd.DataFrame]
Write = Callable[..., Path]
ReadRows = Callable[..., TableImport]


@pytest.fixture
def read_rows(published: Published, write: Write) -> ReadRows:
    """Read a table of matrix products with these values of n and these latencies in milliseconds, in this order."""

    def read(calls: list[tuple[int, float]], duplicates: str = "refuse") -> TableImport:
        rows = pd.concat([published("gemm").head(1).assign(n=n, latency=latency) for n, latency in calls])
        return read_import([write(rows)], duplicates)

    return read


def latencies(read: TableImport) -> dict[int, float]:
    frame = read.frames["gemm"]
    return dict(zip(frame["n"], frame["latency_us"].round(6), strict=True))


def test_measurements_that_agree_become_their_median(read_rows: ReadRows) -> None:
    read = read_rows([(1, 1.0), (63, 2.0), (1, 1.4), (63, 2.2), (1, 1.1), (7, 9.0)])
    assert latencies(read) == {1: 1100.0, 63: 2100.0, 7: 9000.0}
    assert list(read.frames["gemm"]["n"]) == [1, 63, 7]
    assert list(read.frames["gemm"].index) == [0, 1, 2]
    assert read.repeats["gemm"] == Repeats(calls=2, rows=3, disagreeing=0)


def test_the_tolerance_itself_is_within(read_rows: ReadRows) -> None:
    assert read_rows([(1, 1.0), (1, TOLERANCE)]).repeats["gemm"].disagreeing == 0
    with pytest.raises(InputError):
        read_rows([(1, 1.0), (1, TOLERANCE * 1.001)])


def test_those_that_disagree_are_refused_and_named(read_rows: ReadRows) -> None:
    with pytest.raises(InputError, match=r"factor of at most 1.5") as refused:
        read_rows([(63, 2.0), (1, 3.0), (63, 2.0), (1, 1.0), (7, 1.0), (7, 5.0)])
    assert "got 1000 us in row 4 and 3000 us in row 2 (and 1 more such calls)" in str(refused.value)
    assert all(choice in str(refused.value) for choice in CHOICES if choice != "refuse")
    assert "\n" not in str(refused.value)


WITH_ALL = [(63, 2.0), (1, 3.0), (1, 1.0), (1, 2.0), (63, 2.2)]


@pytest.mark.parametrize(("duplicates", "stands"), [("drop", None), ("fastest", 1000.0), ("last", 2000.0)])
def test_the_user_says_what_stands_for_them(read_rows: ReadRows, duplicates: str, stands: float | None) -> None:
    read = read_rows(WITH_ALL, duplicates)
    assert latencies(read) == {63: 2100.0} | ({} if stands is None else {1: stands})
    assert read.repeats["gemm"] == Repeats(calls=2, rows=3, disagreeing=1)
    assert read.duplicates == duplicates


def test_another_runtime_is_another_measurement(published: Published, write: Write) -> None:
    one = published("gemm").head(1)
    others = [one.assign(version="2"), one.assign(framework="TRTLLM"), one.assign(kernel_source="cutlass")]
    read = read_import([write(pd.concat([one, *(other.assign(latency=9.0) for other in others)]))])
    assert len(read.frames["gemm"]) == 4
    assert read.repeats["gemm"] == Repeats(0, 0, 0)


def test_repeats_are_found_across_files(published: Published, write: Write) -> None:
    first, second = write(published("gemm"), "a.csv"), write(published("gemm").assign(latency=1.0), "b.csv")
    with pytest.raises(InputError) as refused:
        read_import([first, second])
    assert re.search(r"a.csv: .* got 2 us in row 1 and 1000 us in row 1 of .*b.csv \(and 2 more", str(refused.value))
    assert read_import([second, first], "last").frames["gemm"]["latency_us"].tolist() == [2.0, 4.0, 1.0]


def test_nothing_left_is_refused(read_rows: ReadRows) -> None:
    with pytest.raises(InputError, match=r"duplicates: a choice that leaves rows; got 'drop'"):
        read_rows([(1, 1.0), (1, 9.0)], "drop")


def test_an_unknown_choice(read_rows: ReadRows) -> None:
    with pytest.raises(InputError, match=r"duplicates: one of refuse, drop, fastest, last; got 'mean'"):
        read_rows([(1, 1.0)], "mean")


def test_rows_faster_than_any_matrix_product_are_told(published: Published, write: Write) -> None:
    gemm, attention = write(published("gemm"), "g.csv"), published("prefill_attention")
    sound = read_import([gemm, write(attention, "a.csv")])
    assert sound.doubts == {}
    attention.loc[2, "latency"] = 1e-6
    doubts = read_import([gemm, write(attention, "a.csv")]).doubts
    assert list(doubts) == ["prefill_attention"]
    assert doubts["prefill_attention"].startswith("1 of 3 rows would compute up to ")
    assert read_import([write(attention, "a.csv")]).doubts == {}  # nothing to compare with
