"""A trace on fake tensors is what really runs: the same kernels, parameters, operations and memory."""

from __future__ import annotations

from random import Random

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from frontier.errors import InputError
from frontier.latency_models import LayerCall, Tracer, Workload, space_calls
from frontier.latency_models.tracing.decode_state import cached_state, rewind, state_bytes
from frontier.latency_models.tracing.recorder import EXTRA_FLOPS, Recorder
from frontier.search_space import SearchSpace
from frontier.supernet import LanguageModel, ModelShape

from ..conftest import real_run


def launched(calls: list[LayerCall]) -> list[tuple[str, str]]:
    return [(one.call.op, one.call.arguments) for one in calls]


@pytest.mark.parametrize("seed", range(4))
def test_traced_is_dispatched(space: SearchSpace, shape: ModelShape, workload: Workload, seed: int) -> None:
    architecture = space.sample(Random(seed))
    recorder, _, _ = real_run(architecture, shape, workload)
    traced = Tracer(shape).calls(architecture, workload)
    assert launched(traced) == launched(recorder.calls)
    assert sum(one.launches for one in traced) == sum(one.launches for one in recorder.calls)


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_presets_trace_as_they_run(phase: str) -> None:
    shape, workload = ModelShape(256, 80), Workload(phase, 1, 70)
    for name in ("tiny-lm", "hybrid-lm"):
        architecture = SearchSpace.load(name).sample(Random(1))
        recorder, _, _ = real_run(architecture, shape, workload)
        traced = Tracer(shape).calls(architecture, workload)
        assert launched(traced) == launched(recorder.calls)
        assert not [one for one in traced if one.call.family == "unknown"]


def test_inference_mode_runs_the_traced_kernels(space: SearchSpace, shape: ModelShape) -> None:
    """What is timed runs in inference mode, where the hook sees whole functions; the profiler sees the kernels."""
    architecture, workload = space.sample(Random(5)), Workload("prefill", 2, 21)
    model, ids = LanguageModel.build(architecture, shape), torch.randint(0, 63, (2, 21))
    with torch.inference_mode(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        model(ids)
    seen = {event.key.removeprefix("aten::"): event.count for event in profiler.key_averages()}
    traced = [one.call.op.split(".")[1] for one in Tracer(shape).calls(architecture, workload)]
    for op in (
        "mm",
        "rsqrt",
        "silu",
        "gelu",
        "convolution",
        "_scaled_dot_product_flash_attention_for_cpu",
        "embedding",
    ):
        assert seen.get(op, 0) == traced.count(op), op


@pytest.mark.parametrize("seed", range(4))
def test_param_count_and_flops(space: SearchSpace, shape: ModelShape, workload: Workload, seed: int) -> None:
    architecture = space.sample(Random(seed))
    sections = dict(Tracer(shape).sections(architecture, workload))
    model = LanguageModel.build(architecture, shape)
    assert sum(section.param_count for section in sections.values()) == sum(p.numel() for p in model.parameters())
    assert sum(section.state_bytes for section in sections.values()) == state_bytes(model.init_state(workload.batch))
    tokens = (workload.seq_len,) if workload.phase == "prefill" else ()
    ids = torch.randint(0, shape.vocab_size, (workload.batch, *tokens))
    state = cached_state(model, workload.batch, workload.seq_len, ids) if workload.phase == "decode" else []
    counter = FlopCounterMode(display=False, custom_mapping=EXTRA_FLOPS)
    with torch.no_grad(), counter:
        model(ids) if workload.phase == "prefill" else model.step(ids, state)
    counted = sum(one.call.flops for section in sections.values() for one in section.calls)
    assert counted == counter.get_total_flops() > 0


@pytest.mark.parametrize("seed", range(4))
def test_peak_memory(space: SearchSpace, shape: ModelShape, workload: Workload, seed: int) -> None:
    """Prefill is exact; in decoding old and new states are counted together, at most the new ones too many."""
    architecture = space.sample(Random(seed))
    recorder, model, held = real_run(architecture, shape, workload)
    sections = [section for _, section in Tracer(shape).sections(architecture, workload)]
    fixed = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))
    real = fixed + held + recorder.peaks["all"]
    predicted = sum(s.fixed_bytes + s.held_bytes for s in sections) + max(s.peak_bytes for s in sections)
    grown = sum(s.held_bytes for s in sections) - held
    assert real <= predicted <= real + grown
    assert grown == 0 or workload.phase == "decode"


def test_decode_state_matches_real_decoding(space: SearchSpace, shape: ModelShape) -> None:
    """A state filled to a position launches what a state that was decoded there launches."""
    for seed in range(3):
        architecture = space.sample(Random(seed))
        model, ids = LanguageModel.build(architecture, shape), torch.tensor([1, 2])
        with torch.no_grad():
            real = model.init_state(2)
            for _ in range(12):
                _, real = model.step(ids, real)
            filled = cached_state(model, 2, 12, ids)
            runs = []
            for state in (real, filled):
                with Recorder("all") as recorder:
                    model.step(ids, state)
                runs.append(launched(recorder.calls))
                rewind(state, 12)
        assert runs[0] == runs[1]


def test_blocks_are_traced_once(space: SearchSpace, shape: ModelShape, workload: Workload) -> None:
    tracer, architecture = Tracer(shape), space.sample(Random(0))
    first = [section for _, section in tracer.sections(architecture, workload)]
    again = [section for _, section in tracer.sections(architecture, workload)]
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_space_calls_hold_every_call(space: SearchSpace, shape: ModelShape, workload: Workload) -> None:
    calls = {call.key for call in space_calls(space, shape, [workload])}
    tracer = Tracer(shape)
    launchable = {one.call.key for architecture in space.enumerate() for one in tracer.calls(architecture, workload)}
    assert calls == launchable


@pytest.mark.parametrize(
    ("phase", "batch", "seq_len", "message"),
    [
        ("serve", 1, 8, "phase"),
        ("train", 1, 0, "seq_len: at least 1"),
        ("train", 1, 41, "seq_len: at most 40"),
        ("prefill", 0, 8, "batch"),
        ("prefill", 1, 0, "seq_len"),
        ("prefill", 1, 41, "seq_len: at most 40"),
        ("decode", 1, 40, "seq_len: at most 39"),
    ],
)
def test_bad_workload(
    space: SearchSpace, shape: ModelShape, phase: str, batch: int, seq_len: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Tracer(shape).calls(space.sample(Random(0)), Workload(phase, batch, seq_len))


def test_longest_decode_fits(space: SearchSpace, shape: ModelShape) -> None:
    assert Tracer(shape).calls(space.sample(Random(0)), Workload("decode", 1, 39))
    assert Tracer(shape).calls(space.sample(Random(0)), Workload("decode", 1, 0))
