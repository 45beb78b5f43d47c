"""Attention over a prompt, and of one new token over a cache."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..tables.attention import reach
from .family import Family, Features
from .limits import Limits
from .neighbours import Axis

# Rows of queries that one block of threads takes, and keys it reads at a time.
QUERY_TILE, KEY_TILE = 128, 128
SAME = ["head_dim", "window", "dtype"]


def prefill_features(rows: pd.DataFrame, limits: Limits) -> Features:
    heads, tokens = 1.0 * rows.batch * rows.num_heads, rows.seq_len
    blocks = heads * np.ceil(tokens / QUERY_TILE)
    return {**_shared(rows, tokens), **_occupancy(blocks, limits)}


def decode_features(rows: pd.DataFrame, limits: Limits) -> Features:
    groups = 1.0 * rows.batch * rows.num_kv_heads
    blocks = groups * np.ceil(reach(rows.window, rows.context) / KEY_TILE)
    return {**_shared(rows, rows.context), **_occupancy(blocks, limits), **_occupancy(groups, limits, "_unsplit")}


def _shared(rows: pd.DataFrame, length: pd.Series[int]) -> Features:
    return {
        "heads": _log2(1.0 * rows.batch * rows.num_heads),
        "kv_heads": _log2(1.0 * rows.batch * rows.num_kv_heads),
        "heads_per_group": (rows.num_heads / rows.num_kv_heads).to_numpy(float),
        "reach": _log2(reach(rows.window, length)),
        "cached": _log2(1.0 * rows.batch * rows.num_kv_heads * length * rows.head_dim),
    }


def _log2(values: pd.Series[float]) -> NDArray[np.float64]:
    return np.asarray(np.log2(values), dtype=np.float64)


def _occupancy(blocks: pd.Series[float], limits: Limits, name: str = "") -> Features:
    waves = (blocks / (limits.multiprocessors or 1)).to_numpy(float)
    return {f"waves{name}": np.log2(waves), f"tail{name}": np.ceil(waves) / waves}


def _axes(length: str) -> tuple[Axis, ...]:
    return (
        Axis(
            "heads",
            along=lambda rows: rows.num_heads,
            fixed=lambda rows: rows[["batch", length, "num_kv_heads", "kv_dtype", *SAME]],
        ),
        Axis(
            "kv_heads",
            along=lambda rows: rows.num_kv_heads,
            fixed=lambda rows: rows[["batch", length, "num_heads", "kv_dtype", *SAME]],
        ),
        # As many heads in all, spread over more or fewer sequences.
        Axis(
            "batch_for_heads",
            along=lambda rows: rows.num_heads,
            fixed=lambda rows: rows[[length, "kv_dtype", *SAME]].assign(
                heads=rows.batch * rows.num_heads, kv_heads=rows.batch * rows.num_kv_heads
            ),
        ),
        Axis(
            "head_dim",
            along=lambda rows: rows.head_dim,
            fixed=lambda rows: rows[["batch", length, "num_heads", "num_kv_heads", "kv_dtype", "window", "dtype"]],
        ),
    )


PREFILL_ATTENTION = Family(features=prefill_features, axes=_axes("seq_len"))
DECODE_ATTENTION = Family(features=decode_features, axes=_axes("context"))
