"""Tracing, prediction and the least cost over every axis of a space: residual, hidden, patterns, halves, pyramids."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from frontier.errors import InputError
from frontier.latency_models import Tracer, Workload, space_calls
from frontier.latency_models.predicting.least import least_size
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ImageShape, ModelShape, Shape

from ..conftest import real_run

TEXT = ModelShape(vocab_size=63, context=40)
IMAGE = ImageShape(channels=2, side=9, num_classes=5)
CONV = {"kind": "causal_conv", "channels": 8, "kernel_size": 3}
ATTENTION = {"kind": "attention", "num_heads": [1, 2], "num_kv_heads": 1, "head_dim": 4, "window": [3, None]}
SMALL: dict[str, Any] = {
    "name": "small",
    "width": [16, 32],
    "depth": [1, 2],
    "token_mixers": [ATTENTION, CONV],
    "channel_mixers": [{"kind": "swiglu", "inner": [8, 16]}],
}
MOE = {"kind": "moe", "num_experts": 3, "top_k": [1, 2], "inner": 8}
MOHD = {"kind": "mohd", "group_size": 8, "shared": 1, "routed": [0, 1]}
SPACES: dict[str, tuple[dict[str, Any], Shape]] = {
    "residual": ({**SMALL, "residual": ["sequential", "parallel", "ladder"]}, TEXT),
    "hidden": ({**SMALL, "hidden": [{"kind": "dense"}, MOHD]}, TEXT),
    "experts": ({**SMALL, "channel_mixers": [MOE]}, TEXT),
    "pattern": ({**SMALL, "depth": 2, "pattern": {"place": {"kind": "attention"}, "at": ["last 1", "all"]}}, TEXT),
    "halves": (
        {
            **SMALL,
            "token_mixers": [ATTENTION, {"kind": "none"}],
            "channel_mixers": [{"kind": "swiglu", "inner": 8}, {"kind": "none"}],
        },
        TEXT,
    ),
    "pyramid": (
        {
            "name": "pyramid",
            "stages": [{"width": [8, 16], "depth": [1, 2]}, {"width": [16, 24], "depth": 1}],
            "token_mixers": [{"kind": "gated_conv", "channels": 8, "kernel_size": [3, 5]}, {"kind": "none"}],
            "channel_mixers": [{"kind": "swiglu", "inner": [8, 16]}],
            "residual": ["sequential", "ladder"],
        },
        IMAGE,
    ),
}
Case = tuple[SearchSpace, Shape]


@pytest.fixture(scope="module", params=SPACES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    raw, shape = SPACES[request.param]
    return SearchSpace.parse(raw), shape


def workloads(shape: Shape) -> list[Workload]:
    sizes = {"prefill": IMAGE.most_tokens("prefill") if shape is IMAGE else 21, "decode": 21}
    return [Workload(phase, 2, sizes[phase]) for phase in shape.phases]


def test_traced_is_dispatched(case: Case) -> None:
    """The same kernels as often; the ladder adds its outputs a half later than they are traced."""
    space, shape = case
    tracer = Tracer(shape)
    for seed in range(4):
        architecture = space.sample(Random(seed))
        for workload in workloads(shape):
            recorder, model, _ = real_run(architecture, shape, workload)
            traced = tracer.calls(architecture, workload)
            really = Counter(one.call.key for one in recorder.calls)
            assert Counter(one.call.key for one in traced) == really, architecture.canonical
            sections = dict(tracer.sections(architecture, workload))
            counted = sum(section.param_count for section in sections.values())
            assert counted == sum(parameter.numel() for parameter in model.parameters())


def test_peak_memory_is_what_is_really_alive(case: Case) -> None:
    """Exact in a sequential prefill of whole blocks. One stream too high may be counted for another topology or a block
    without a token mixer, in decoding its new state."""
    space, shape = case
    tracer = Tracer(shape)
    for seed in range(4):
        architecture = space.sample(Random(seed))
        for workload in workloads(shape):
            recorder, model, held = real_run(architecture, shape, workload)
            sections = [section for _, section in tracer.sections(architecture, workload)]
            fixed = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))
            real = fixed + held + recorder.peaks["all"]
            predicted = sum(s.fixed_bytes + s.held_bytes for s in sections) + max(s.peak_bytes for s in sections)
            grown = sum(s.held_bytes for s in sections) - held
            places = shape.most_tokens("prefill") if shape is IMAGE else (21 if workload.phase == "prefill" else 1)
            stream = 4 * workload.batch * places * max(architecture.widths)
            alone = any(block.token_mixer.kind == "none" for block in architecture.blocks)
            slack = grown + stream * ((architecture.residual != "sequential") + alone)
            assert real <= predicted <= real + slack, architecture.canonical


def test_space_calls_hold_every_call(case: Case) -> None:
    space, shape = case
    for workload in workloads(shape):
        tracer = Tracer(shape)
        every = {call.key for call in space_calls(space, shape, [workload])}
        drawn = [space.sample(Random(seed)) for seed in range(40)]
        assert {one.call.key for a in drawn for one in tracer.calls(a, workload)} <= every


@pytest.mark.parametrize("quantity", ["param_count", "peak_memory_bytes"])
def test_the_least_is_the_least_of_all(case: Case, quantity: str) -> None:
    space, shape = case
    workload = workloads(shape)[0]
    tracer = Tracer(shape)

    def cost(architecture: Architecture) -> float:
        sections = [section for _, section in tracer.sections(architecture, workload)]
        if quantity == "param_count":
            return sum(section.param_count for section in sections)
        peak = max(section.peak_bytes for section in sections)
        return sum(section.fixed_bytes + section.held_bytes for section in sections) + peak

    assert least_size(space, shape, workload, quantity) == min(cost(one) for one in space.enumerate())


def test_images_do_not_decode_and_are_read_whole() -> None:
    space = SearchSpace.parse(SPACES["pyramid"][0])
    with pytest.raises(InputError, match="phase: prefill or train for images; got 'decode'"):
        Tracer(IMAGE).calls(space.smallest(), Workload("decode", 1, 81))
    with pytest.raises(InputError, match=r"seq_len: 81, the places .*; got 9"):
        Tracer(IMAGE).calls(space.smallest(), Workload("prefill", 1, 9))
