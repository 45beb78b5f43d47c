"""Latencies that no device could reach: tables are published with faults, and nothing in a row shows them."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from .kind import TableKind


def doubts(frames: Mapping[str, pd.DataFrame], kinds: Mapping[str, TableKind]) -> dict[str, str]:
    """By kind, a sentence where it has rows that compute faster than the fastest matrix product beside it.

    Without a table of matrix products nothing is known of the device's speed, so nothing is said.
    """
    if "gemm" not in frames:
        return {}
    fastest = float(_rate(kinds["gemm"], frames["gemm"]).max())
    said = {}
    for name, frame in frames.items():
        rate = _rate(kinds[name], frame)
        if (above := int((rate > fastest).sum())) > 0:
            said[name] = (
                f"{above} of {len(frame)} rows would compute up to {rate.max():.0f} TFLOP/s, and the fastest "
                f"matrix product here reaches {fastest:.0f}: their latencies are not those of the shapes they name"
            )
    return said


def _rate(kind: TableKind, frame: pd.DataFrame) -> pd.Series[float]:
    """Tera-operations per second."""
    return kind.flops(frame) / frame["latency_us"] / 1e6
