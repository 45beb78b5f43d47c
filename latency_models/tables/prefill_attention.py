"""Causal attention over a whole prompt."""

from __future__ import annotations

import pandas as pd

from .dtypes import DTYPE_WORDS, element_bytes
from .kind import TableKind
from .windows import reach


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


PREFILL_ATTENTION = TableKind(
    name="prefill_attention",
    shape=("batch", "seq_len", "num_heads", "num_kv_heads", "head_dim", "window"),
    labels=("dtype", "kv_dtype"),
    published={
        "batch": "batch_size",
        "seq_len": "isl",
        "num_heads": "num_heads",
        "num_kv_heads": "num_key_value_heads",
        "head_dim": "head_dim",
        "window": "window_size",
        "dtype": "attn_dtype",
        "kv_dtype": "kv_cache_dtype",
    },
    op_names=("context_attention",),
    whole_shape=("num_heads", "num_kv_heads", "head_dim", "window", "kv_dtype"),
    flops=flops,
    bytes=moved_bytes,
    words={"dtype": DTYPE_WORDS, "kv_dtype": DTYPE_WORDS},
    least={"window": 0},
    fixed={"step": 0, "beam_width": 1},
)
