"""Causal attention over a whole prompt."""

from __future__ import annotations

import pandas as pd

from .attention import attention_kind, reach
from .dtypes import element_bytes


def flops(rows: pd.DataFrame) -> pd.Series[float]:
    """Scores and their sum over values, for the pairs of tokens that the mask and the window let through."""
    reached = reach(rows.window, rows.seq_len)
    pairs = reached * (reached + 1) / 2 + (rows.seq_len - reached) * reached
    return 4.0 * rows.batch * rows.num_heads * rows.head_dim * pairs


def moved_bytes(rows: pd.DataFrame) -> pd.Series[float]:
    """Queries, keys and values once, and the output, which is bfloat16."""
    tokens = 1.0 * rows.batch * rows.seq_len * rows.head_dim
    queries_and_output = (element_bytes(rows["dtype"]) + 2.0) * rows.num_heads
    return tokens * (queries_and_output + 2.0 * element_bytes(rows["kv_dtype"]) * rows.num_kv_heads)


PREFILL_ATTENTION = attention_kind(
    name="prefill_attention",
    op_name="context_attention",
    length={"seq_len": "isl"},
    fixed={"step": 0},
    flops=flops,
    moved=moved_bytes,
)
