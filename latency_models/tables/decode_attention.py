"""Attention of one new token per sequence over what is cached."""

from __future__ import annotations

import pandas as pd

from .dtypes import DTYPE_WORDS, element_bytes
from .kind import Derived, TableKind
from .windows import reach


def flops(rows: pd.DataFrame) -> pd.Series[float]:
    """Scores and their sum over values."""
    return 4.0 * rows.batch * rows.num_heads * rows.head_dim * reach(rows.window, rows.context)


def moved_bytes(rows: pd.DataFrame) -> pd.Series[float]:
    """The part of the cache that is attended to, the query, and the output, which is bfloat16."""
    cached = 2.0 * element_bytes(rows["kv_dtype"]) * rows.num_kv_heads * reach(rows.window, rows.context)
    return 1.0 * rows.batch * rows.head_dim * (cached + (element_bytes(rows["dtype"]) + 2.0) * rows.num_heads)


DECODE_ATTENTION = TableKind(
    name="decode_attention",
    shape=("batch", "context", "num_heads", "num_kv_heads", "head_dim", "window"),
    labels=("dtype", "kv_dtype"),
    published={
        "batch": "batch_size",
        "context": Derived(("isl", "step"), lambda rows: rows["isl"] + rows["step"]),
        "num_heads": "num_heads",
        "num_kv_heads": "num_key_value_heads",
        "head_dim": "head_dim",
        "window": "window_size",
        "dtype": "attn_dtype",
        "kv_dtype": "kv_cache_dtype",
    },
    op_names=("generation_attention",),
    whole_shape=("num_heads", "num_kv_heads", "head_dim", "window", "kv_dtype"),
    flops=flops,
    bytes=moved_bytes,
    words={"dtype": DTYPE_WORDS, "kv_dtype": DTYPE_WORDS},
    least={"window": 0},
    fixed={"isl": 1, "beam_width": 1},
)
