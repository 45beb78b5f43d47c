"""A job's points as bytes: what the browser reads as typed arrays, without parsing a number.

    4 bytes     length of the header, little-endian
    header      JSON, filled up with spaces so that what follows stands at a multiple of 8
    blocks      one column each, little-endian, filled up to a multiple of 8; the header says type and place

A digest is a row of `digest_width` ASCII bytes, filled up with zeros.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...db import frames
from ...db.words import EVALUATION_STATES, FIDELITIES

WHOLE = "<i4"
REAL = "<f4"
CODE = "u1"
CODED = {"fidelity": FIDELITIES, "state": EVALUATION_STATES}
ALIGNED = 8


def pack(points: pd.DataFrame, stays: pd.DataFrame, after_seq: int) -> bytes:
    """The points and stays of `Ledger.points` and `Ledger.stays` after an evaluation.

    `latest` in the header is the number of the last evaluation among them.
    """
    columns = {name: _column(name, points[name]) for name in frames.POINTS if name != "digest"}
    names = points["digest"].to_numpy(dtype="S") if len(points) else np.empty(0, dtype="S1")
    columns["digest"] = names.view(CODE)
    for fidelity in FIDELITIES:
        there = stays[stays["fidelity"] == fidelity]
        columns[f"entered.{fidelity}"] = there["entered_seq"].to_numpy(dtype=WHOLE)
        columns[f"left.{fidelity}"] = there["left_seq"].fillna(0).to_numpy(dtype=WHOLE)
    facts = {
        "after": after_seq,
        "latest": int(points["seq"].iloc[-1]) if len(points) else after_seq,
        "count": len(points),
        "digest_width": names.dtype.itemsize,
    }
    return _joined(facts, columns)


def _column(name: str, values: pd.Series) -> np.ndarray:
    if name in CODED:
        return pd.Categorical(values, categories=list(CODED[name])).codes.astype(CODE)
    return values.to_numpy(dtype=WHOLE if name == "seq" else REAL)


def _joined(facts: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> bytes:
    blocks = [_filled(column.tobytes(), b"\0") for column in columns.values()]
    places, at = [], 0
    for (name, column), block in zip(columns.items(), blocks, strict=True):
        places.append([name, column.dtype.str[-2:], at, column.size])
        at += len(block)
    header = json.dumps({**facts, "columns": places}).encode()
    padded = header.ljust(-(-(len(header) + 4) // ALIGNED) * ALIGNED - 4)
    return b"".join([len(padded).to_bytes(4, "little"), padded, *blocks])


def _filled(block: bytes, filler: bytes) -> bytes:
    return block.ljust(-(-len(block) // ALIGNED) * ALIGNED, filler)
