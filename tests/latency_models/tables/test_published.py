"""The tables that others published, as they are: every file is read, and its units are what we take them for."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontier.errors import InputError
from frontier.latency_models.tables import KINDS
from frontier.latency_models.tables.reader import TableImport, read_import

# Peak rates of an H200 (SXM) by its data sheet: dense 8-bit arithmetic, memory, NVLink in one direction.
PEAK_TFLOPS, PEAK_BYTES_PER_US, LINK_BYTES_PER_US = 1979, 4.8e6, 4.5e5


@pytest.fixture(scope="module")
def read(real_tables: list[Path]) -> TableImport:
    return read_import(real_tables, "drop")


def test_every_row_is_read_or_accounted_for(read: TableImport) -> None:
    assert list(read.frames) == list(KINDS)
    for kind, frame in read.frames.items():
        rows = sum(source.rows.get(kind, 0) for source in read.sources)
        repeats = read.repeats[kind]
        assert rows - repeats.rows - repeats.disagreeing == len(frame)
        assert not frame.duplicated([*KINDS[kind].call, "runtime"]).any()
        assert not frame.isna().any().any()


def test_repeats_that_disagree_are_refused_unless_asked(real_tables: list[Path]) -> None:
    with pytest.raises(InputError, match=r"context_attention.*differ by a factor of at most 1.5.*drop, fastest, last"):
        read_import(real_tables)


def test_no_matrix_product_or_decoding_beats_the_device(read: TableImport) -> None:
    gemm, decode = read.frames["gemm"], read.frames["decode_attention"]
    assert 0.8 * PEAK_TFLOPS < (KINDS["gemm"].flops(gemm) / gemm["latency_us"] / 1e6).max() < PEAK_TFLOPS
    rate = KINDS["decode_attention"].bytes(decode) / decode["latency_us"]
    assert 0.8 * PEAK_BYTES_PER_US < rate.max() < PEAK_BYTES_PER_US


def test_balanced_experts_read_their_weights_at_the_memorys_rate(read: TableImport) -> None:
    moe = read.frames["moe"].query("distribution == 'balanced'")
    rate = KINDS["moe"].bytes(moe) / moe["latency_us"]
    assert 0.8 * PEAK_BYTES_PER_US < rate.max() < PEAK_BYTES_PER_US


def test_messages_are_counted_in_elements(read: TableImport) -> None:
    """Two bytes each take what twice as many of one take, so `message_bytes` is the same call."""
    calls = read.frames["collective"].query("message_bytes >= 2**26 and num_gpus < 8")
    latency = calls.pivot(index=["op", "num_gpus", "message_bytes"], columns="dtype", values="latency_us").dropna()
    assert len(latency) > 20
    assert (latency["float16"] / latency["int8"]).between(0.9, 1.1).all()
    ring = read.frames["collective"].query("op != 'all_reduce'")  # NVSwitch adds up on the way
    assert (KINDS["collective"].bytes(ring) / ring["latency_us"]).max() < LINK_BYTES_PER_US


def test_prefill_rows_that_cannot_be_are_told(read: TableImport) -> None:
    assert list(read.doubts) == ["prefill_attention"]
