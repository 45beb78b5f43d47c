"""Every kernel that the conformance suite tries: one line each."""

from __future__ import annotations

from ..case import Case
from . import (
    add_layer_norm,
    add_rms_norm,
    attention,
    causal_conv1d,
    decode_attention,
    fused_ffn,
    linear_attention_chunk,
    merge_attention,
    moe_mlp,
    mohd,
    ssd_chunk_scan,
)

CASES: tuple[Case, ...] = (
    *add_layer_norm.CASES,
    *add_rms_norm.CASES,
    *attention.CASES,
    *causal_conv1d.CASES,
    *decode_attention.CASES,
    *fused_ffn.CASES,
    *linear_attention_chunk.CASES,
    *merge_attention.CASES,
    *moe_mlp.CASES,
    *mohd.CASES,
    *ssd_chunk_scan.CASES,
)
