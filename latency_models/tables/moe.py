"""Fused mixtures of gated experts (gate, up and down projection), as one of tp * ep devices runs them."""

from __future__ import annotations

import pandas as pd

from .dtypes import DTYPE_WORDS, activation_bytes, element_bytes
from .kind import TableKind

PROJECTIONS = 3


def distinct_experts(rows: pd.DataFrame) -> pd.Series[float]:
    """Experts of one device that some token is expected to choose, where each token chooses at random."""
    passed_over = (1.0 - rows.top_k / rows.num_experts).clip(lower=0.0) ** rows.tokens
    return rows.num_experts / rows.ep * (1.0 - passed_over)


def flops(rows: pd.DataFrame) -> pd.Series[float]:
    """Every token through its share of the chosen experts that this device holds."""
    return 2.0 * PROJECTIONS * rows.tokens * rows.top_k * rows.hidden * rows.inter / (rows.tp * rows.ep)


def moved_bytes(rows: pd.DataFrame) -> pd.Series[float]:
    """The weights of the experts that some token chose; tokens in, and out in bfloat16."""
    weights = distinct_experts(rows) * PROJECTIONS * rows.hidden * rows.inter / rows.tp * element_bytes(rows["dtype"])
    return weights + (activation_bytes(rows["dtype"]) + 2.0) * rows.tokens * rows.hidden


MOE = TableKind(
    name="moe",
    shape=("tokens", "hidden", "inter", "top_k", "num_experts", "tp", "ep"),
    labels=("dtype", "distribution"),
    published={
        "tokens": "num_tokens",
        "hidden": "hidden_size",
        "inter": "inter_size",
        "top_k": "topk",
        "num_experts": "num_experts",
        "tp": "moe_tp_size",
        "ep": "moe_ep_size",
        "dtype": "moe_dtype",
        "distribution": "distribution",
    },
    op_names=("moe",),
    whole_shape=("hidden", "inter", "top_k", "num_experts"),
    flops=flops,
    bytes=moved_bytes,
    words={"dtype": DTYPE_WORDS},
)
