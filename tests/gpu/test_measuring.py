"""Timing on a GPU: graphs, both states of the cache, calls that no graph holds, whole models, the host's part."""

from __future__ import annotations

import statistics
from dataclasses import replace
from random import Random

import pytest
import torch

from frontier.latency_models import KernelCall, Runtime, Tracer, Workload, describe_device, measure, measure_models
from frontier.latency_models.calls import encode
from frontier.latency_models.measuring.cuda_models import time_models
from frontier.latency_models.measuring.cuda_timing import CannotCapture, captured, l2_bytes, replay_times_us
from frontier.latency_models.measuring.host_cost import VIEW, host_costs
from frontier.latency_models.measuring.timing import pinned
from frontier.latency_models.predicting.eager import Dispatched
from frontier.latency_models.predicting.fit import KernelModel
from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape

# Faster than the memory of any device this was written for, and slower than its cache.
MOST_BYTES_PER_US = 8e6
SHAPE = ModelShape(vocab_size=256, context=300)
GPU = Runtime(1, "cuda", torch.bfloat16, "graph")


def matmul(rows: int, inner: int, columns: int, dtype: torch.dtype = torch.bfloat16) -> KernelCall:
    with torch.device("meta"):
        x, w = torch.empty(rows, inner, dtype=dtype), torch.empty(columns, inner, dtype=dtype)
    moved = 2 * (rows * inner + inner * columns + rows * columns)
    return KernelCall("aten.mm.default", "matmul", encode((x, w.T), {}), 2 * rows * inner * columns, moved)


def experts() -> KernelCall:
    with torch.device("meta"):
        x, weight, chosen = torch.empty(63, 32), torch.empty(63, 2), torch.empty(63, 2, dtype=torch.int64)
        gate, down = torch.empty(4, 48, 32), torch.empty(4, 32, 48)
    arguments = encode((x, gate, gate, down, weight, chosen), {})
    return KernelCall("frontier.moe_mlp.default", "grouped_matmul", arguments, 1, 1)


def test_weights_that_fit_the_cache_take_longer_from_memory() -> None:
    side = 2048
    weight_bytes = 2 * side * side
    assert weight_bytes < l2_bytes() / 2
    (one,) = measure([matmul(1, side, side)], GPU)
    assert (one.timing, one.note) == ("graph", "")
    assert one.warm_us < one.median_us
    assert weight_bytes / one.median_us < MOST_BYTES_PER_US
    assert one.kernel_names


def test_a_call_repeats() -> None:
    calls = [matmul(1, 256, 256), matmul(2048, 2048, 2048)]
    first, second = (measure(calls, GPU, seed=seed) for seed in range(2))
    assert first.drift < 0.2
    for one, again in zip(first, second, strict=True):
        assert again.median_us == pytest.approx(one.median_us, rel=0.15)
        assert one.spread_us < 0.2 * one.median_us


def test_a_launch_is_not_in_the_time_of_a_small_kernel() -> None:
    """Launched one by one from Python such a product takes several microseconds of host."""
    (one,) = measure([matmul(1, 64, 64)], GPU)
    assert 0.3 < one.median_us < 6


def test_what_waits_for_the_device_is_timed_by_events_and_says_so() -> None:
    with torch.device("meta"):
        x = torch.empty(100, 30)
    waits = KernelCall("aten.nonzero.default", "unknown", encode((x,), {}), 0, 4 * 3000)
    one, other = measure([waits, matmul(1, 64, 64)], GPU)
    assert one.timing == "events"
    assert "synchronizing" in one.note
    assert one.warm_us is None
    assert other.timing == "graph"


def test_experts_are_timed_in_a_graph_evenly_and_unevenly() -> None:
    one, other = measure([experts(), matmul(1, 64, 64)], GPU)
    assert (one.timing, one.note) == ("graph", "")
    assert one.skewed_us is not None
    assert one.skewed_us > 0
    assert other.skewed_us is None


def test_a_refused_capture_leaves_everything_usable() -> None:
    with pinned(1):
        flag = torch.ones(1, device="cuda")
        with pytest.raises(CannotCapture, match="synchronizing"):
            captured(flag.item)
        assert torch.cuda.get_sync_debug_mode() == 0
        assert torch.randn(3, device="cuda").isfinite().all()
        assert len(replay_times_us(captured(lambda: flag + 1), replays=6)) == 6


@pytest.mark.parametrize("space", ["tiny-lm", "hybrid-lm"])
@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_every_call_of_a_preset_is_measured(space: str, phase: str) -> None:
    architecture = SearchSpace.load(space).sample(Random(0))
    traced = Tracer(SHAPE, "cuda", torch.bfloat16).calls(architecture, Workload(phase, 1, 255))
    calls = list({one.call.key: one.call for one in traced}.values())
    campaign = measure(calls, GPU)
    assert campaign.remaining == 0
    assert {one.timing for one in campaign} == {"graph"}
    products = [one for one in campaign if one.call.family in ("matmul", "attention")]
    assert products
    assert all(one.kernel_names for one in products)


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_whole_models_run_as_graphs_and_by_the_host(phase: str) -> None:
    space, workload = SearchSpace.load("tiny-lm"), Workload(phase, 1, 255)
    architectures = [space.smallest(), space.largest()]
    found = {}
    for mode in ("graph", "eager"):
        (models,) = measure_models(architectures, SHAPE, workload, replace(GPU, mode=mode), passes=1)
        found[mode] = [one.latency_ms for one in models]
    for graph_ms, eager_ms in zip(found["graph"], found["eager"], strict=True):
        assert 0 < graph_ms < eager_ms
    assert found["graph"][0] < found["graph"][1]


def test_a_mixture_of_experts_runs_as_a_graph() -> None:
    space, rng, workload = SearchSpace.load("moe-lm"), Random(0), Workload("prefill", 1, 63)
    samples = (space.sample(rng) for _ in range(100))
    mixture = next(one for one in samples if any(block.channel_mixer.kind == "moe" for block in one.blocks))
    with pinned(1):
        ((times_ms,),) = time_models([mixture], SHAPE, workload, 1, mode="graph", dtype=torch.bfloat16)
    assert min(times_ms) > 0


def test_host_and_device_together_explain_an_eager_run() -> None:
    """Without the factor that is fitted on models: the right order of magnitude."""
    architecture, workload = SearchSpace.load("tiny-lm").largest(), Workload("prefill", 1, 255)
    traced = Tracer(SHAPE, "cuda", torch.bfloat16).calls(architecture, workload)
    calls = list({one.call.key: one.call for one in traced}.values())
    costs = host_costs(calls)
    assert all(0.2 < cost < 500 for cost in costs.values())
    assert costs[VIEW] < max(costs.values())
    model = Dispatched.of(traced, KernelModel(measure(calls, GPU)), costs)
    with pinned(1):
        ((times_ms,),) = time_models([architecture], SHAPE, workload, 1, mode="eager", dtype=torch.bfloat16)
    measured_us = 1e3 * statistics.median(times_ms)
    assert 0.2 * measured_us < float(model.timeline(1.0).total_us) < 2 * measured_us


def test_the_device_describes_itself() -> None:
    found = describe_device(replace(GPU, mode="eager"))
    assert (found["device"], found["dtype"], found["backend"]) == ("cuda", "bfloat16", "eager")
    assert found["gpu"] == torch.cuda.get_device_name()
    for name in ("multiprocessors", "memory_bytes", "l2_bytes", "cuda", "triton"):
        assert found[name], name
