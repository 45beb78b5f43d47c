"""Small tables with the columns of published ones: a few calls per kind, odd sizes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

COMMON = {"framework": "VLLM", "version": "0.19.0", "device": "NVIDIA H200"}
ATTENTION = {"num_heads": 6, "num_key_value_heads": 3, "head_dim": 63, "beam_width": 1, "attn_dtype": "bfloat16"}
MIXER = {"d_model": 33, "d_state": 7, "d_conv": 4, "nheads": 3, "head_dim": 5, "n_groups": 1, "chunk_size": 128}
EXPERTS = {"hidden_size": 63, "inter_size": 31, "topk": 2, "num_experts": 9, "moe_tp_size": 5, "moe_ep_size": 3}

# By kind: what all rows share, the columns that differ, and the rows.
WRITTEN: dict[str, tuple[dict, tuple[str, ...], list[tuple]]] = {
    "gemm": (
        {"op_name": "gemm", "kernel_source": "default"},
        ("gemm_dtype", "m", "n", "k", "latency"),
        [("bfloat16", 1, 63, 1000, 0.002), ("fp8", 127, 63, 1000, 0.004), ("int4_wo", 127, 1, 1, 0.001)],
    ),
    "prefill_attention": (
        {"op_name": "context_attention", "kernel_source": "flash", "step": 0, **ATTENTION},
        ("batch_size", "isl", "window_size", "kv_cache_dtype", "latency"),
        [(1, 1, 0, "bfloat16", 0.003), (3, 63, 0, "fp8", 0.5), (3, 63, 10, "fp8", 0.2)],
    ),
    "decode_attention": (
        {"op_name": "generation_attention", "kernel_source": "flash", "isl": 1, **ATTENTION},
        ("batch_size", "step", "window_size", "kv_cache_dtype", "latency"),
        [(1, 0, 0, "bfloat16", 0.003), (3, 62, 0, "fp8", 0.5), (3, 62, 10, "bfloat16", 0.2)],
    ),
    "moe": (
        {"op_name": "moe", "kernel_source": "fused", **EXPERTS},
        ("moe_dtype", "num_tokens", "distribution", "latency"),
        [("bfloat16", 1, "balanced", 0.02), ("int4_wo", 1000, "power_law_1.2", 0.3)],
    ),
    "mamba2": (
        {"op_name": "mamba2", "num_tokens": 0, "model_name": "some", **MIXER},
        ("kernel_source", "phase", "batch_size", "seq_len", "latency"),
        [
            ("causal_conv1d_fn", "context", 3, 63, 0.02),
            ("causal_conv1d_update", "generation", 3, 1, 0.01),
            ("mamba_chunk_scan_combined", "context", 3, 63, 0.5),
            ("selective_state_update", "generation", 3, 1, 0.04),
        ],
    ),
    "collective": (
        {"kernel_source": "NCCL"},
        ("op_name", "nccl_dtype", "num_gpus", "message_size", "latency"),
        [("all_reduce", "half", 2, 255, 0.005), ("alltoall", "int8", 8, 1001, 0.006)],
    ),
}

Published = Callable[[str], pd.DataFrame]
Write = Callable[..., Path]


@pytest.fixture
def published() -> Published:
    """A new table of a kind, as one would find it published."""

    def make(kind: str) -> pd.DataFrame:
        shared, columns, rows = WRITTEN[kind]
        return pd.DataFrame(rows, columns=list(columns)).assign(**COMMON, **shared)

    return make


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a frame under a name; the ending says whether as Parquet or CSV."""

    def to_file(frame: pd.DataFrame, name: str = "table.parquet") -> Path:
        path = tmp_path / name
        frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)
        return path

    return to_file


@pytest.fixture(scope="session")
def real_tables() -> list[Path]:
    """The published tables that FRONTIER_KERNEL_TABLES names. They are not ours to ship, so none is a skip."""
    folder = os.environ.get("FRONTIER_KERNEL_TABLES")
    if not folder:
        pytest.skip("set FRONTIER_KERNEL_TABLES to a folder of published kernel tables (Parquet) to test with them")
    files = sorted(Path(folder).glob("*.parquet"))
    assert files, f"FRONTIER_KERNEL_TABLES: a folder with Parquet files; got {folder}"
    return files
