"""Matrix products: (m, k) times (k, n)."""

from __future__ import annotations

import pandas as pd

from .dtypes import DTYPE_WORDS, activation_bytes, element_bytes
from .kind import TableKind


def flops(rows: pd.DataFrame) -> pd.Series[float]:
    return 2.0 * rows.m * rows.n * rows.k


def moved_bytes(rows: pd.DataFrame) -> pd.Series[float]:
    """Both operands in the table's dtype; what comes out is bfloat16, whatever went in."""
    weights = element_bytes(rows["dtype"]) * rows.k * rows.n
    return weights + activation_bytes(rows["dtype"]) * rows.m * rows.k + 2.0 * rows.m * rows.n


GEMM = TableKind(
    name="gemm",
    shape=("m", "n", "k"),
    labels=("dtype",),
    published={"m": "m", "n": "n", "k": "k", "dtype": "gemm_dtype"},
    op_names=("gemm",),
    whole_shape=("n", "k"),
    flops=flops,
    bytes=moved_bytes,
    words={"dtype": DTYPE_WORDS},
)
