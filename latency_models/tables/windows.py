"""How far attention reaches."""

from __future__ import annotations

import pandas as pd


def reach(window: pd.Series[int], length: pd.Series[int]) -> pd.Series[float]:
    """Tokens that the last of `length` tokens attends to, itself included. A window of 0 is none."""
    return length.where((window == 0) | (length < window), window).astype(float)
