"""Rows as data frames whose columns have the same types whether there are many rows or none.

A NULL number is NaN (reals) or NA (`Int64`, `boolean`), a NULL text is None. Times are UTC. JSON columns hold plain
objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
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
    "stop_asked": FLAG,
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
LINEAGE: Columns = {**EVALUATIONS, "entered_seq": MAYBE_WHOLE, "left_seq": MAYBE_WHOLE}
FINDERS: Columns = {
    "job_id": TEXT,
    "name": TEXT,
    "fidelity": TEXT,
    "state": TEXT,
    "val_loss": REAL,
    "created_at": TIME,
}
MEASURED_MODELS: Columns = {
    "digest": TEXT,
    "latency_ms": REAL,
    "latency_low_ms": REAL,
    "latency_high_ms": REAL,
    "latency_measured_ms": REAL,
}
FRONT_HISTORY: Columns = {"digest": TEXT, "entered_seq": WHOLE, "left_seq": MAYBE_WHOLE}
POINTS: Columns = {
    "seq": WHOLE,
    "digest": TEXT,
    "fidelity": TEXT,
    "state": TEXT,
    "val_loss": REAL,
    "latency_ms": REAL,
    "latency_low_ms": REAL,
    "latency_high_ms": REAL,
    "latency_measured_ms": REAL,
    "prefill_latency_ms": REAL,
    "decode_latency_ms": REAL,
    "train_latency_ms": REAL,
    "param_count": REAL,
    "peak_memory_bytes": REAL,
}
STAYS: Columns = {"fidelity": TEXT, "entered_seq": WHOLE, "left_seq": MAYBE_WHOLE}
ARCHITECTURES: Columns = {**POINTS, "architecture": JSON}
HYPERVOLUME: Columns = {"seq": WHOLE, "value": REAL}
STATE_COUNTS: Columns = {"job_id": TEXT, "state": TEXT, "count": WHOLE}
EVALUATION_TIMES: Columns = {"seq": WHOLE, "fidelity": TEXT, "created_at": TIME}
WORKERS: Columns = {"worker": TEXT, "evaluations": WHOLE, "failed": WHOLE, "seconds": REAL, "last_at": TIME}
REASONS: Columns = {"state": TEXT, "reason": TEXT, "count": WHOLE, "last_seq": WHOLE}
KERNEL_FAMILIES: Columns = {"device": TEXT, "family": TEXT, "calls": WHOLE, "median_us": REAL, "spread_us": REAL}
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
    "flops": MAYBE_WHOLE,
    "bytes": MAYBE_WHOLE,
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
COMMANDS: Columns = {
    "id": WHOLE,
    "kind": TEXT,
    "job_id": TEXT,
    "arguments": JSON,
    "state": TEXT,
    "share": REAL,
    "message": TEXT,
    "result": JSON,
    "created_at": TIME,
    "updated_at": TIME,
}
CONTROLLERS: Columns = {"name": TEXT, "host": TEXT, "started_at": TIME, "seen_at": TIME, "alive": FLAG}
NODES: Columns = {
    "node_id": TEXT,
    "address": TEXT,
    "cpus": REAL,
    "gpus": REAL,
    "joined_at": TIME,
    "left_at": TIME,
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


def without(columns: Columns, name: str) -> Columns:
    """The columns but one."""
    return {other: dtype for other, dtype in columns.items() if other != name}


def frame(columns: Columns, rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """A data frame of rows whose values come in the order of `columns`."""
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    assert len(values) == len(columns), f"{len(values)} values for the columns {', '.join(columns)}"
    cells = zip(columns.items(), values, strict=True)
    return pd.DataFrame({name: _column(value, dtype) for (name, dtype), value in cells})


def _column(values: Sequence[Any], dtype: str) -> np.ndarray | pd.Series:
    # Pandas looks at each value to find out what it is; to numpy, too, None is NaN among reals.
    return np.array(values, dtype=dtype) if dtype in (REAL, WHOLE, FLAG) else pd.Series(list(values), dtype=dtype)
