"""Attention of one new token per sequence over what is cached."""

from __future__ import annotations

import pandas as pd

from .attention import attention_kind, reach
from .dtypes import element_bytes
from .kind import Derived


def flops(rows: pd.DataFrame) -> pd.Series[float]:
    """Scores and their sum over values."""
    return 4.0 * rows.batch * rows.num_heads * rows.head_dim * reach(rows.window, rows.context)


def moved_bytes(rows: pd.DataFrame) -> pd.Series[float]:
    """The part of the cache that is attended to, the query, and the output, which is bfloat16."""
    cached = 2.0 * element_bytes(rows["kv_dtype"]) * rows.num_kv_heads * reach(rows.window, rows.context)
    return 1.0 * rows.batch * rows.head_dim * (cached + (element_bytes(rows["dtype"]) + 2.0) * rows.num_heads)


DECODE_ATTENTION = attention_kind(
    name="decode_attention",
    op_name="generation_attention",
    length={"context": Derived(("isl", "step"), lambda rows: rows["isl"] + rows["step"])},
    fixed={"isl": 1},
    flops=flops,
    moved=moved_bytes,
)
