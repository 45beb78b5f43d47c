"""Compiled traces: elementwise calls become one kernel that reads its inputs and writes its results once."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from frontier.latency_models import LayerCall, Tracer, Workload
from frontier.latency_models.calls import KernelCall
from frontier.latency_models.families import FUSED
from frontier.latency_models.tracing.fusion import fused
from frontier.latency_models.tracing.recorder import Recorder
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ModelShape

Touched = tuple[tuple[int, int], ...]


def call(family: str, reads: Touched, writes: Touched) -> LayerCall:
    moved = sum(size for _, size in (*reads, *writes))
    return LayerCall("layer", KernelCall(f"{family}.default", family, "{}", 0, moved), 3, reads, writes)


def families(calls: tuple[LayerCall, ...]) -> list[str]:
    return [one.call.family for one in calls]


def test_a_run_moves_what_comes_from_outside_and_what_leaves() -> None:
    run = (
        call("copy", ((1, 10),), ((2, 20),)),
        call("pointwise", ((2, 20), (3, 7)), ((4, 20),)),
        call("reduction", ((4, 20),), ((5, 1),)),
        call("pointwise", ((4, 20), (5, 1)), ((6, 10),)),
    )
    (kernel,) = fused(run)
    assert (kernel.call.family, kernel.launches, kernel.call.bytes) == (FUSED, 1, 10 + 7 + 10)
    assert (set(kernel.reads), kernel.writes) == ({(1, 10), (3, 7)}, ((6, 10),))


def test_what_another_kernel_reads_is_written() -> None:
    product = call("matmul", ((2, 20), (9, 5)), ((3, 8),))
    first = (call("pointwise", ((1, 10),), ((2, 20),)), call("pointwise", ((2, 20),), ((4, 6),)))
    found = fused((*first, product, call("pointwise", ((4, 6), (3, 8)), ((5, 8),))))
    assert families(found) == ["pointwise", "matmul", FUSED]
    assert found[0] is first[0]
    # The second of the first two waits for the product, since only the last call reads what it makes.
    assert set(found[2].reads) == {(2, 20), (3, 8)}
    assert found[2].writes == ((5, 8),)


def test_a_gate_waits_for_what_it_gates() -> None:
    gate, up = call("matmul", ((1, 9),), ((2, 9),)), call("matmul", ((1, 9),), ((3, 9),))
    silu, times = call("pointwise", ((2, 9),), ((4, 9),)), call("pointwise", ((4, 9), (3, 9)), ((5, 9),))
    found = fused((gate, silu, up, times, call("matmul", ((5, 9),), ((6, 9),))))
    assert families(found) == ["matmul", "matmul", FUSED, "matmul"]
    assert found[2].call.bytes == 27


def test_nothing_is_moved_behind_a_write_over_its_input() -> None:
    reader, writer = call("pointwise", ((1, 9),), ((2, 9),)), call("gather", ((7, 9),), ((1, 9),))
    assert families(fused((reader, writer))) == ["pointwise", "gather"]
    assert families(fused((call("pointwise", ((3, 9),), ((1, 9),)), writer))) == ["pointwise", "gather"]


def test_alone_a_call_stays_as_it_is() -> None:
    only = call("pointwise", ((1, 10),), ((2, 20),))
    assert fused((only,)) == (only,)
    assert fused(()) == ()


def test_storages_are_told_apart_even_where_memory_is_used_again() -> None:
    x = torch.ones(5)
    with Recorder("all") as recorder:
        for _ in range(4):
            x = x * 2
        x.add_(1)
    touched = [(one.reads, one.writes) for one in recorder.calls]
    for before, after in pairwise(touched):
        assert after[0] == before[1]
    assert len({writes for _, writes in touched[:4]}) == 4
    assert touched[4][0] == touched[4][1]


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_a_compiled_trace_computes_the_same_and_moves_less(phase: str, space: SearchSpace, shape: ModelShape) -> None:
    architecture, workload = space.largest(), Workload(phase, 2, 21)
    eager, compiled = (Tracer(shape, compiled=way).calls(architecture, workload) for way in (False, True))
    heavy = [one.call for one in eager if one.call.family in ("matmul", "attention", "convolution", "gather")]
    assert [one.call for one in compiled if one.call.family in {call.family for call in heavy}] == heavy
    assert sum(one.call.flops for one in compiled) == sum(one.call.flops for one in eager)
    assert sum(one.call.bytes for one in compiled) < sum(one.call.bytes for one in eager)
    assert len(compiled) < 0.7 * len(eager)


def test_a_norm_reads_the_stream_once() -> None:
    block = {"token_mixer": {"kind": "none"}, "channel_mixer": {"kind": "swiglu", "inner": 64}}
    architecture = Architecture.from_json({"width": 32, "blocks": [block]})
    tracer = Tracer(ModelShape(63, 40), dtype=torch.bfloat16, compiled=True)
    calls = tracer.calls(architecture, Workload("prefill", 1, 40))
    norm = next(one for one in calls if one.call.family == FUSED)
    stream, weight = 40 * 32 * 2, 32 * 2
    assert norm.call.bytes == 2 * stream + weight
