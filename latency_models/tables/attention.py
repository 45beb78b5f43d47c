"""What tables of attention over a prompt and of a step of decoding have in common."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from .dtypes import DTYPE_WORDS
from .kind import Cost, Derived, TableKind

HEADS = ("num_heads", "num_kv_heads", "head_dim", "window")
PUBLISHED = {
    "batch": "batch_size",
    "num_heads": "num_heads",
    "num_kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "window": "window_size",
    "dtype": "attn_dtype",
    "kv_dtype": "kv_cache_dtype",
}


def reach(window: pd.Series[int], length: pd.Series[int]) -> pd.Series[float]:
    """Tokens that the last of `length` tokens attends to, itself included. A window of 0 is none."""
    return length.where((window == 0) | (length < window), window).astype(float)


def attention_kind(
    name: str, op_name: str, length: Mapping[str, str | Derived], fixed: Mapping[str, int], flops: Cost, moved: Cost
) -> TableKind:
    """A kind whose rows differ in `length`, one column and where it is published.

    Heads are held out together, whatever type their keys and values are cached in.
    """
    return TableKind(
        name=name,
        shape=("batch", *length, *HEADS),
        labels=("dtype", "kv_dtype"),
        published={**PUBLISHED, **length},
        op_names=(op_name,),
        whole_shape=HEADS,
        flops=flops,
        bytes=moved,
        words={"dtype": DTYPE_WORDS, "kv_dtype": DTYPE_WORDS},
        least={"window": 0},
        fixed={**fixed, "beam_width": 1},
    )
