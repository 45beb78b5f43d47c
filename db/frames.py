"""Rows as data frames whose columns have the same types whether there are many rows or none.

A NULL number is NaN (reals) or NA (`Int64`, `boolean`), a NULL text is None. Times are UTC. JSON columns hold plain
objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

TEXT = JSON = "object"
REAL = "float64"
WHOLE = "int64"
MAYBE_WHOLE = "Int64"
FLAG = "bool"
MAYBE_FLAG = "boolean"
TIME = "datetime64[us, UTC]"

Columns = Mapping[str, str]

JOBS: Columns = {
    "id": TEXT,
    "name": TEXT,
    "state": TEXT,
    "stage": TEXT,
    "done": WHOLE,
    "total": WHOLE,
    "evaluations": WHOLE,
    "failed": WHOLE,
    "front_size": WHOLE,
    "best_val_loss": REAL,
    "created_at": TIME,
    "updated_at": TIME,
}
EVALUATIONS: Columns = {
    "seq": WHOLE,
    "digest": TEXT,
    "fidelity": TEXT,
    "state": TEXT,
    "val_loss": REAL,
    "latency_ms": REAL,
    "latency_low_ms": REAL,
    "latency_high_ms": REAL,
    "latency_measured_ms": REAL,
    "param_count": MAYBE_WHOLE,
    "peak_memory_bytes": MAYBE_WHOLE,
    "worker": TEXT,
    "seconds": REAL,
    "reason": TEXT,
    "weights_path": TEXT,
    "prefill_latency_ms": REAL,
    "decode_latency_ms": REAL,
    "train_latency_ms": REAL,
    "measured_share": REAL,
    "extrapolates": MAYBE_FLAG,
    "attempts": MAYBE_WHOLE,
    "seen_share": REAL,
    "created_at": TIME,
    "architecture": JSON,
    "on_front": FLAG,
}
FRONT: Columns = {**EVALUATIONS, "entered_seq": WHOLE, "left_seq": MAYBE_WHOLE}
FRONT_HISTORY: Columns = {"digest": TEXT, "entered_seq": WHOLE, "left_seq": MAYBE_WHOLE}
HYPERVOLUME: Columns = {"seq": WHOLE, "value": REAL}
QUALITIES: Columns = {
    "evaluations": WHOLE,
    "held_out": WHOLE,
    "kendall_tau": REAL,
    "error": REAL,
    "coverage": REAL,
    "created_at": TIME,
}
NOTES: Columns = {"id": WHOLE, "digest": TEXT, "text": TEXT, "author": TEXT, "created_at": TIME}
TAGS: Columns = {"digest": TEXT, "tag": TEXT, "author": TEXT, "created_at": TIME}
CURVE: Columns = {"step": WHOLE, "subnet": TEXT, "loss_nats": REAL, "seconds": REAL}
EVENTS: Columns = {"id": WHOLE, "stage": TEXT, "kind": TEXT, "message": TEXT, "created_at": TIME}
BREAKDOWN: Columns = {
    "phase": TEXT,
    "layer": TEXT,
    "op": TEXT,
    "family": TEXT,
    "calls": WHOLE,
    "latency_ms": REAL,
    "measured": FLAG,
}
CHECKPOINTS: Columns = {
    "kind": TEXT,
    "path": TEXT,
    "step": WHOLE,
    "digest": TEXT,
    "sha256": TEXT,
    "created_at": TIME,
}
EXPORTS: Columns = {
    "digest": TEXT,
    "format": TEXT,
    "path": TEXT,
    "weights": TEXT,
    "max_relative_difference": REAL,
    "latency_measured_ms": REAL,
    "created_at": TIME,
}
DEVICES: Columns = {
    "name": TEXT,
    "hardware": JSON,
    "measurements": WHOLE,
    "table_rows": WHOLE,
    "validations": WHOLE,
    "created_at": TIME,
}
KERNEL_TABLES: Columns = {
    "kind": TEXT,
    "row_count": WHOLE,
    "runtimes": JSON,
    "sources": JSON,
    "created_at": TIME,
}
VALIDATIONS: Columns = {
    "device": TEXT,
    "space": TEXT,
    "phase": TEXT,
    "batch": WHOLE,
    "seq_len": WHOLE,
    "count": WHOLE,
    "mape": REAL,
    "median_ape": REAL,
    "within_10": REAL,
    "kendall_tau": REAL,
    "floor_mape": REAL,
    "pairs": JSON,
    "created_at": TIME,
}


def frame(columns: Columns, rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """A data frame of rows whose values come in the order of `columns`."""
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    assert len(values) == len(columns), f"{len(values)} values for the columns {', '.join(columns)}"
    series = {
        name: pd.Series(list(value), dtype=dtype) for (name, dtype), value in zip(columns.items(), values, strict=True)
    }
    return pd.DataFrame(series)
