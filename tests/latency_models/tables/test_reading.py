"""Files become canonical tables, whatever they are called, and what is wrong in one is named in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from frontier.errors import InputError
from frontier.latency_models.tables import KINDS
from frontier.latency_models.tables.reader import read_import, read_tables
from frontier.latency_models.tables.recognise import needed

Published = Callable[[str], pd.DataFrame]
Write = Callable[..., Path]


def own(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Canonical tables as one of one's own: what is no column of a kind stays empty."""
    parts = [frame.assign(kind=kind, device="NVIDIA H200", step="mine") for kind, frame in frames.items()]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_published_table_is_recognised_by_its_header(
    kind: str, ending: str, published: Published, write: Write
) -> None:
    read = read_import([write(published(kind).sample(frac=1, axis=1, random_state=0), f"some.{ending}")])
    assert list(read.frames) == [kind]
    frame, rows = read.frames[kind], published(kind)
    assert list(frame) == list(KINDS[kind].columns)
    assert {str(frame[column].dtype) for column in KINDS[kind].shape} == {"int64"}
    assert {str(frame[column].dtype) for column in (*KINDS[kind].labels, "runtime")} == {"str"}
    assert frame["latency_us"].tolist() == (rows["latency"] * 1000).tolist()
    assert frame["runtime"].tolist() == [f"VLLM 0.19.0 {kernel}" for kernel in rows["kernel_source"]]
    assert read.device == "NVIDIA H200"
    assert read.sources[0].rows == {kind: len(rows)}


def test_units_and_words_are_ours(published: Published, write: Write) -> None:
    files = [write(published(kind), f"{kind}.parquet") for kind in ("decode_attention", "collective", "mamba2")]
    tables = read_tables(files)
    assert tables["decode_attention"]["context"].tolist() == [1, 63, 63]
    assert tables["collective"]["message_bytes"].tolist() == [510, 1001]
    assert tables["collective"]["op"].tolist() == ["all_reduce", "all_to_all"]
    assert tables["collective"]["dtype"].tolist() == ["float16", "int8"]
    assert tables["mamba2"]["phase"].tolist() == ["prefill", "decode", "prefill", "decode"]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_table_of_ones_own_says_the_same(ending: str, published: Published, write: Write) -> None:
    tables = read_tables([write(published(kind), f"{kind}.parquet") for kind in KINDS])
    again = read_tables([write(own(tables), f"own.{ending}")])
    assert list(again) == list(tables) == list(KINDS)
    for kind, frame in tables.items():
        assert_frame_equal(again[kind], frame, rtol=1e-12)


def test_an_index_that_pandas_wrote_is_a_column(published: Published, write: Write, tmp_path: Path) -> None:
    published("gemm").set_index(["m", "gemm_dtype"]).to_parquet(tmp_path / "indexed")
    assert_frame_equal(read_tables([tmp_path / "indexed"])["gemm"], read_tables([write(published("gemm"))])["gemm"])


def test_files_of_one_kind_come_together_in_the_order_given(published: Published, write: Write) -> None:
    first, second = published("gemm"), published("gemm").assign(version="0.20")
    frame = read_tables([write(second, "b.csv"), write(first, "a.parquet")])["gemm"]
    assert frame["runtime"].tolist() == ["VLLM 0.20 default"] * 3 + ["VLLM 0.19.0 default"] * 3


BAD_VALUES: dict[str, tuple[str, str, Any, str]] = {
    "zero-latency": ("gemm", "latency", 0.0, r"latency: a finite number above 0; got 0.0 in row 2"),
    "negative-latency": ("gemm", "latency", -1.0, r"latency: a finite number above 0; got -1.0 in row 2"),
    "infinite-latency": ("moe", "latency", float("inf"), r"latency: a finite number above 0; got inf in row 2"),
    "no-latency": ("gemm", "latency", None, r"latency: a finite number above 0; got nan in row 2"),
    "latency-of-words": ("gemm", "latency", "fast", r"latency: a finite number above 0; got 'fast' in row 2"),
    "no-shape": ("gemm", "m", None, r"m: a whole number from 1 to 2\^53; got nan in row 2"),
    "negative-shape": ("gemm", "n", -63, r"n: a whole number from 1 to 2\^53; got -63 in row 2"),
    "zero-shape": ("moe", "topk", 0, r"topk: a whole number from 1 to 2\^53; got 0 in row 2"),
    "fractional-shape": ("gemm", "k", 1.5, r"k: a whole number from 1 to 2\^53; got 1.5 in row 2"),
    "endless-shape": ("gemm", "k", float("inf"), r"k: a whole number from 1 to 2\^53; got inf in row 2"),
    "shape-beyond-counting": ("gemm", "k", 1e30, r"k: a whole number from 1 to 2\^53; got 1e\+30 in row 2"),
    "shape-of-truth": ("gemm", "m", "True", r"m: a whole number .*; got 'True' in row 2"),
    "negative-window": ("prefill_attention", "window_size", -1, r"window_size: a whole number from 0 .* got -1"),
    "negative-step": ("decode_attention", "step", -1, r"step: a whole number from 0 to 2\^53; got -1 in row 2"),
    "two-new-tokens": ("decode_attention", "isl", 2, r"isl: 1 in a table of decode_attention; got 2 in row 2"),
    "cached-prompt": ("prefill_attention", "step", 7, r"step: 0 in a table of prefill_attention; got 7 in row 2"),
    "beams": ("prefill_attention", "beam_width", 4, r"beam_width: 1 in a table of .*; got 4 in row 2"),
    "empty-message": ("collective", "message_size", 0, r"message_size: such that message_bytes .*; got 0 in row 2"),
    "alone": ("collective", "num_gpus", 1, r"num_gpus: a whole number from 2 .*; got 1 in row 2"),
    "unknown-dtype": ("gemm", "gemm_dtype", "fp3", r"gemm_dtype: one of float32, .*; got 'fp3' in row 2"),
    "no-dtype": ("gemm", "gemm_dtype", None, r"gemm_dtype: a text; got .* in row 2"),
    "unknown-kernel": ("mamba2", "kernel_source", "scan", r"kernel_source: one of causal_conv1d_fn, .*; got 'scan'"),
    "another-op": ("gemm", "op_name", "moe", r"op_name: one of gemm; got 'moe' in row 2"),
    "no-version": ("gemm", "version", None, r"version: a text; got .* in row 2"),
    "two-devices": (
        "gemm",
        "device",
        "NVIDIA A100",
        r"device: one for all tables; got 'NVIDIA A100', and 'NVIDIA H200'",
    ),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_a_bad_value_is_named_with_its_row(case: str, published: Published, write: Write) -> None:
    kind, column, value, said = BAD_VALUES[case]
    frame = published(kind)
    frame[column] = frame[column].astype("object")
    frame.loc[1, column] = value
    if not isinstance(value, str):
        frame[column] = frame[column].infer_objects()
    path = write(frame, "bad.csv" if isinstance(value, str) else "bad.parquet")
    refused(said, [path])


def refused(said: str, paths: list[Path], duplicates: str = "refuse") -> str:
    """The one line that these files are refused with."""
    with pytest.raises(InputError, match=said) as refused:
        read_import(paths, duplicates)
    line = str(refused.value)
    assert "\n" not in line
    assert paths[-1].name in line
    return line


def test_an_empty_value_of_a_csv_is_named(published: Published, write: Write) -> None:
    frame = published("gemm").astype({"m": "object"})
    frame.loc[2, "m"] = None
    refused(r"m: a whole number from 1 to 2\^53; got '' in row 3", [write(frame, "gap.csv")])
    frame = published("gemm")
    frame.loc[0, "gemm_dtype"] = None
    refused(r"gemm_dtype: a text; got '' in row 1", [write(frame, "gap.csv")])


def test_more_wrong_rows_are_counted(published: Published, write: Write) -> None:
    refused(r"got -1 in row 1 \(and 2 more rows\)", [write(published("gemm").assign(m=-1))])


def test_times_and_truth_are_no_numbers(published: Published, write: Write) -> None:
    refused(r"m: a whole number .*; got True in row 1", [write(published("gemm").assign(m=True))])
    refused(r"m: a whole number", [write(published("gemm").assign(m=pd.Timestamp("2026-01-01")))])


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_column_is_named_with_the_kind_that_comes_nearest(
    kind: str, published: Published, write: Write
) -> None:
    own = next(column for column in needed(KINDS[kind]) if column in ("n", "isl", "topk", "d_state", "num_gpus"))
    line = refused(r"a header with the columns of a kind of table", [write(published(kind).drop(columns=own))])
    near = re.search(r"(\w+) comes nearest; got none of its columns (.*)", line)
    assert near
    assert near[2] == own
    # Both kinds of attention have the same columns.
    assert near[1] == kind or {near[1], kind} == {"prefill_attention", "decode_attention"}


def test_a_table_of_something_else(write: Write) -> None:
    said = r"a header with the columns of a kind of table \(gemm, .*, collective\), or of .* one's own; got a, b"
    refused(said, [write(pd.DataFrame({"a": [1], "b": [2]}))])
    refused(said, [write(pd.DataFrame({"a": [1], "b": [2]}), "a.csv")])
    refused(
        "gemm comes nearest; got none of its columns gemm_dtype, fr", [write(pd.DataFrame({"m": 1, "n": [1], "k": 1}))]
    )


OWN_FAULTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no-device": (lambda rows: rows.drop(columns="device"), r"a table of one's own has the columns .*; got no device"),
    "no-shape": (lambda rows: rows.drop(columns=["m", "k"]), r"a row of gemm has the columns .*; got no m, k"),
    "unknown-kind": (lambda rows: rows.assign(kind="conv"), r"kind: one of gemm, .*; got 'conv' in row 1 .and 2 more"),
    "no-runtime": (lambda rows: rows.assign(runtime=""), r"runtime: a text; got '' in row 1"),
    "zero-latency": (lambda rows: rows.assign(latency_us=[1, 1, 0]), r"latency_us: a finite .*; got '0' in row 3"),
}


@pytest.mark.parametrize("case", OWN_FAULTS)
def test_a_fault_in_a_table_of_ones_own(case: str, published: Published, write: Write) -> None:
    change, said = OWN_FAULTS[case]
    rows = own(read_tables([write(published("gemm"))]))
    refused(said, [write(change(rows), "own.csv")])


def test_rows_count_through_the_kinds_of_one_file(published: Published, write: Write) -> None:
    tables = read_tables([write(published(kind), f"{kind}.parquet") for kind in ("gemm", "collective")])
    rows = own(tables)
    rows.loc[4, "num_gpus"] = -8
    refused(r"num_gpus: .*; got -8.0 in row 5", [write(rows)])


def damaged(published: Published, write: Write) -> dict[str, bytes]:
    whole = write(published("gemm"), "whole.parquet").read_bytes()
    text = write(published("gemm"), "whole.csv").read_bytes()
    return {
        "empty": b"",
        "cut-short": whole[: len(whole) // 2],
        "a-flipped-page": whole[:20] + b"\xff" * 40 + whole[60:],
        "a-picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "no-utf-8": text.replace(b"VLLM", b"VLL\xff"),
        "a-row-too-long": text + b"1,2,3,4,5,6,7,8,9,10,11,12,13\n",
        "a-row-cut-short": text[:-20],
        "a-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:5e\nsize 3\n",
        "a-header-alone": text.splitlines(keepends=True)[0],
        "no-rows": write(published("gemm").head(0), "none.parquet").read_bytes(),
        "a-column-twice": text.replace(b"gemm_dtype", b"m", 1),
    }


DAMAGE = {
    "empty": "a Parquet file or a CSV with a header",
    "cut-short": "a whole Parquet file",
    "a-flipped-page": "a whole Parquet file",
    "a-picture": "a Parquet file or a CSV with a header, in UTF-8; got binary data",
    "no-utf-8": "in UTF-8; got .*UTF8",
    "a-row-too-long": "a Parquet file or a CSV .*Expected 10 columns, got 13",
    "a-row-cut-short": "a Parquet file or a CSV .*Expected 10 columns, got",
    "a-pointer": "got a pointer of Git LFS to one",
    "a-header-alone": "a table has rows; got none",
    "no-rows": "a table has rows; got none",
    "a-column-twice": "m: a column is named once; got it twice",
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_refused(case: str, published: Published, write: Write, tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    path.write_bytes(damaged(published, write)[case])
    refused(DAMAGE[case], [path])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    refused("a file that can be read; got No such file", [tmp_path / "none.parquet"])
    refused("a file that can be read; got Is a directory", [tmp_path])


def test_the_same_content_twice_is_refused(published: Published, write: Write) -> None:
    refused("a file is given once; got the content of .*a.csv again", [
        write(published("gemm"), "a.csv"), write(published("gemm"), "b.csv"),
    ])  # fmt: skip


def test_one_bad_file_spoils_them_all(published: Published, write: Write) -> None:
    good, bad = write(published("gemm"), "good.csv"), write(published("moe").assign(topk=0), "bad.csv")
    refused("topk: a whole number", [good, bad])


def test_two_devices_in_two_files(published: Published, write: Write) -> None:
    other = published("moe").assign(device="NVIDIA B200")
    line = refused("device: one for all tables", [write(published("gemm"), "a.csv"), write(other, "b.csv")])
    assert re.search(r"b.csv: .* got 'NVIDIA B200', and 'NVIDIA H200' in .*a.csv", line)
