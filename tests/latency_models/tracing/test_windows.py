"""Sliding windows in compiled traces: one kernel that is told the window, and nothing that only makes its mask."""

from __future__ import annotations

import json

import pytest
import torch

from frontier.latency_models import KernelCall, Tracer, Workload
from frontier.latency_models.tracing.windows import OP
from frontier.search_space import Architecture
from frontier.supernet import ModelShape

CONTEXT = 100


def traced(window: int | None, workload: Workload, compiled: bool = True) -> list[KernelCall]:
    mixer = {"kind": "attention", "num_heads": 4, "num_kv_heads": 2, "head_dim": 16, "window": window}
    block = {"token_mixer": mixer, "channel_mixer": {"kind": "swiglu", "inner": 96}}
    tracer = Tracer(ModelShape(256, CONTEXT), dtype=torch.bfloat16, compiled=compiled)
    architecture = Architecture.from_json({"width": 64, "blocks": [block]})
    return [one.call for one in tracer.calls(architecture, workload)]


@pytest.mark.parametrize(("workload", "context"), [(Workload("prefill", 3, 63), 63), (Workload("decode", 3, 63), 64)])
def test_the_kernel_is_told_its_window(workload: Workload, context: int) -> None:
    (attention,) = (call for call in traced(7, workload) if call.family == "attention")
    arguments = json.loads(attention.arguments)
    assert attention.op == OP
    assert (arguments["window"], arguments["context"]) == (7, context)
    assert arguments["query"]["tensor"] == [3, 4, 1 if workload.phase == "decode" else 63, 16]
    seen = 7 if workload.phase == "decode" else sum(min(7, token) for token in range(1, 64))
    assert attention.flops == 4 * 3 * 4 * 16 * seen


def test_no_mask_is_made() -> None:
    workload = Workload("prefill", 3, 63)
    windowed, full = traced(7, workload), traced(None, workload)
    assert [call.family for call in windowed] == [call.family for call in full]
    assert sum(call.bytes for call in windowed) == sum(call.bytes for call in full)
    eager = [call.op for call in traced(7, workload, compiled=False)]
    assert "aten.where.self" in eager
    assert OP not in eager


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("window", [64, 1000])
def test_a_window_that_covers_everything_is_none(phase: str, window: int) -> None:
    workload = Workload(phase, 3, 63)
    windowed, full = ([(one.op, one.flops, one.bytes) for one in traced(size, workload)] for size in (window, None))
    assert windowed == full


def test_an_update_is_traced_as_it_is() -> None:
    workload = Workload("train", 3, 63)
    assert OP not in [call.op for call in traced(7, workload)]
