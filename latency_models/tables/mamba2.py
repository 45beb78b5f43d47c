"""The kernels of a Mamba-2 mixer between its projections. The tables name no dtype: bytes are those of bfloat16."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from .kind import Cost, TableKind

ELEMENT = 2.0


def _tokens(rows: pd.DataFrame) -> pd.Series[float]:
    return 1.0 * rows.batch * rows.seq_len


def _inner(rows: pd.DataFrame) -> pd.Series[float]:
    return 1.0 * rows.num_heads * rows.head_dim


def _conv_channels(rows: pd.DataFrame) -> pd.Series[float]:
    """The convolution runs over x, B and C at once."""
    return _inner(rows) + 2.0 * rows.num_groups * rows.d_state


def _state(rows: pd.DataFrame) -> pd.Series[float]:
    return rows.batch * _inner(rows) * rows.d_state


def conv_flops(rows: pd.DataFrame) -> pd.Series[float]:
    return 2.0 * rows.d_conv * _conv_channels(rows) * _tokens(rows)


def conv_bytes(rows: pd.DataFrame) -> pd.Series[float]:
    return ELEMENT * _conv_channels(rows) * (2.0 * _tokens(rows) + rows.d_conv + 1)


def conv_update_bytes(rows: pd.DataFrame) -> pd.Series[float]:
    """As over a whole prompt, with the last taps of each sequence read and written back."""
    return conv_bytes(rows) + 2.0 * ELEMENT * rows.batch * _conv_channels(rows) * (rows.d_conv - 1)


def scan_flops(rows: pd.DataFrame) -> pd.Series[float]:
    """Causal products within a chunk, then the state into and out of it.  Source: arXiv 2405.21060, section 6."""
    within = rows.chunk_size * (1.0 * rows.num_groups * rows.d_state + _inner(rows))
    across = 4.0 * _inner(rows) * rows.d_state
    return _tokens(rows) * (within + across)


def scan_bytes(rows: pd.DataFrame) -> pd.Series[float]:
    """x, B, C and dt in, y out, and the state that is left."""
    per_token = 2.0 * _inner(rows) + 2.0 * rows.num_groups * rows.d_state + rows.num_heads
    return ELEMENT * (_tokens(rows) * per_token + _state(rows))


def state_update_flops(rows: pd.DataFrame) -> pd.Series[float]:
    """Decay the state, add the outer product, read it out."""
    return 5.0 * _state(rows)


def state_update_bytes(rows: pd.DataFrame) -> pd.Series[float]:
    return scan_bytes(rows) + ELEMENT * _state(rows)


FLOPS: Mapping[str, Cost] = {
    "causal_conv1d_fn": conv_flops,
    "causal_conv1d_update": conv_flops,
    "mamba_chunk_scan_combined": scan_flops,
    "selective_state_update": state_update_flops,
}
BYTES: Mapping[str, Cost] = {
    "causal_conv1d_fn": conv_bytes,
    "causal_conv1d_update": conv_update_bytes,
    "mamba_chunk_scan_combined": scan_bytes,
    "selective_state_update": state_update_bytes,
}


def _by_kernel(costs: Mapping[str, Cost], rows: pd.DataFrame) -> pd.Series[float]:
    found = pd.Series(float("nan"), index=rows.index)
    for kernel, cost in costs.items():
        same = rows["kernel"] == kernel
        found[same] = cost(rows[same])
    return found


def flops(rows: pd.DataFrame) -> pd.Series[float]:
    return _by_kernel(FLOPS, rows)


def moved_bytes(rows: pd.DataFrame) -> pd.Series[float]:
    return _by_kernel(BYTES, rows)


MAMBA2 = TableKind(
    name="mamba2",
    shape=(
        "batch",
        "seq_len",
        "d_model",
        "d_state",
        "d_conv",
        "num_heads",
        "head_dim",
        "num_groups",
        "chunk_size",
    ),
    labels=("kernel", "phase"),
    published={
        "batch": "batch_size",
        "seq_len": "seq_len",
        "d_model": "d_model",
        "d_state": "d_state",
        "d_conv": "d_conv",
        "num_heads": "nheads",
        "head_dim": "head_dim",
        "num_groups": "n_groups",
        "chunk_size": "chunk_size",
        "kernel": "kernel_source",
        "phase": "phase",
    },
    op_names=("mamba2",),
    whole_shape=("d_model", "d_state", "d_conv", "num_heads", "head_dim", "num_groups", "chunk_size"),
    flops=flops,
    bytes=moved_bytes,
    words={
        "kernel": {kernel: kernel for kernel in FLOPS},
        "phase": {"prefill": "prefill", "decode": "decode", "context": "prefill", "generation": "decode"},
    },
)
