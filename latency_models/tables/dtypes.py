"""Element types as tables name them."""

from __future__ import annotations

import pandas as pd

# Bytes an element of the weights takes; formats with a scale per block count it in.
ELEMENT_BYTES: dict[str, float] = {
    "float32": 4.0,
    "float16": 2.0,
    "bfloat16": 2.0,
    "fp8": 1.0,
    "fp8_block": 1.0,
    "int8": 1.0,
    "int8_wo": 1.0,
    "int4_wo": 0.5,
    "nvfp4": 0.5625,
    "w4a16_mxfp4": 0.53125,
}
# Formats that narrow the weights only: what they are multiplied with stays 16 bits wide.
WEIGHT_ONLY = ("int8_wo", "int4_wo", "w4a16_mxfp4")
# What a table may call a type, and what it is called here.
DTYPE_WORDS: dict[str, str] = {**{name: name for name in ELEMENT_BYTES}, "half": "float16"}


def element_bytes(dtypes: pd.Series[str]) -> pd.Series[float]:
    """Bytes of one element of each row's weights, or of its one operand."""
    return dtypes.map(ELEMENT_BYTES).astype(float)


def activation_bytes(dtypes: pd.Series[str]) -> pd.Series[float]:
    """Bytes of one element of what each row's weights are multiplied with."""
    return dtypes.map({**ELEMENT_BYTES, **dict.fromkeys(WEIGHT_ONLY, 2.0)}).astype(float)
