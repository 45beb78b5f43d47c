"""A traced training step is the one that really runs: its kernels, its operations, and each can be replayed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from random import Random

import pytest
import torch
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from frontier.latency_models import LayerCall, Tracer, Workload, measure_model
from frontier.latency_models.measuring.replay import prepare
from frontier.latency_models.runtime import Runtime
from frontier.latency_models.tracing.recorder import EXTRA_FLOPS, Recorder
from frontier.latency_models.tracing.sections import members
from frontier.latency_models.tracing.training_step import training_steps
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ModelShape, Shape, build_model

from .test_axes import IMAGE, SPACES

# What clips all gradients of a model together, and is traced section by section.
CLIPPING = {"aten._foreach_norm.Scalar", "aten._foreach_mul_.Tensor", "aten.stack.default"}
SCALARS_OF_ROUTERS = 2


@pytest.fixture(scope="module", params=SPACES, ids=str)
def case(request: pytest.FixtureRequest) -> tuple[Architecture, Shape]:
    raw, shape = SPACES[request.param]
    architectures = [SearchSpace.parse(raw).sample(Random(seed)) for seed in range(8)]
    # The widest choice has what is asked for: routed groups, another residual stream, two stages.
    return max(architectures, key=lambda one: (one.hidden.kind, one.residual, len(one.blocks))), shape


def update_of(shape: Shape) -> Workload:
    return Workload("train", 2, IMAGE.most_tokens("prefill") if shape is IMAGE else 21)


def launched(calls: Iterable[LayerCall], least_dims: int) -> Counter[tuple[str, str]]:
    """Operators and their tensors; numbers are left out, as the optimiser's depend on the count of steps."""
    found: Counter[tuple[str, str]] = Counter()
    for one in calls:
        args = json.loads(one.call.arguments)["args"]
        tensors = _tensors(args)
        if one.call.op not in CLIPPING and any(len(tensor["tensor"]) >= least_dims for tensor in tensors):
            found[one.call.op, json.dumps(tensors)] += 1
    return found


def _tensors(value: object) -> list[dict]:
    if isinstance(value, dict):
        return [value] if "tensor" in value else []
    return [tensor for item in value for tensor in _tensors(item)] if isinstance(value, list) else []


def test_traced_is_dispatched(case: tuple[Architecture, Shape]) -> None:
    architecture, shape = case
    steps = training_steps(build_model(architecture, shape), shape, update_of(shape))
    next(steps)
    with Recorder("all") as recorder:
        next(steps)
    traced = Tracer(shape).calls(architecture, update_of(shape))
    # Balance losses are averaged over a model's routers, by calls on scalars and vectors that are not traced.
    assert launched(traced, least_dims=2) == launched(recorder.calls, least_dims=2)
    clipped = 2 * len(list(members(architecture)))
    extra = sum(one.launches for one in traced) - sum(one.launches for one in recorder.calls)
    assert -SCALARS_OF_ROUTERS * 2 * len(architecture.blocks) - 10 <= extra <= clipped


def test_param_count_and_flops(case: tuple[Architecture, Shape]) -> None:
    architecture, shape = case
    model = build_model(architecture, shape)
    sections = [section for _, section in Tracer(shape).sections(architecture, update_of(shape))]
    assert sum(section.param_count for section in sections) == sum(p.numel() for p in model.parameters())
    counter = FlopCounterMode(display=False, custom_mapping=EXTRA_FLOPS)
    with counter:
        next(training_steps(model, shape, update_of(shape)))
    assert sum(one.call.flops for section in sections for one in section.calls) == counter.get_total_flops() > 0


def test_every_call_can_be_replayed(case: tuple[Architecture, Shape]) -> None:
    architecture, shape = case
    for call in {one.call for one in Tracer(shape).calls(architecture, update_of(shape))}:
        replay = prepare(call, seed=3)
        out = replay.op(*replay.args, **replay.kwargs)
        assert replay.op._schema.is_mutable or call.family == "copy" or tree_leaves(out), call.op


def test_gradients_of_routed_operators_are_replayed_with_legal_choices() -> None:
    raw, shape = SPACES["experts"]
    for one in Tracer(shape).calls(SearchSpace.parse(raw).largest(), Workload("train", 2, 21)):
        if one.call.op == "frontier.moe_mlp_backward.default":
            assert int(prepare(one.call).args[6].max()) == 2


def test_sections_are_traced_once(case: tuple[Architecture, Shape]) -> None:
    architecture, shape = case
    tracer = Tracer(shape)
    first = list(tracer.sections(architecture, update_of(shape)))
    again = list(tracer.sections(architecture, update_of(shape)))
    assert all(one is other for (_, one), (_, other) in zip(first, again, strict=True))


def test_a_training_step_is_timed(space: SearchSpace, shape: ModelShape) -> None:
    architecture = space.sample(Random(0))
    measured = measure_model(architecture, shape, Workload("train", 1, 13), Runtime())
    assert measured.latency_ms > measure_model(architecture, shape, Workload("prefill", 1, 13), Runtime()).latency_ms


def test_bfloat16_is_cast_as_a_model_would_be(space: SearchSpace, shape: ModelShape) -> None:
    architecture, workload = space.sample(Random(0)), Workload("prefill", 2, 21)
    model = build_model(architecture, shape).to(torch.bfloat16)
    ids = torch.zeros((2, 21), dtype=torch.int64)
    with torch.no_grad(), Recorder("all") as recorder:
        model(ids)
    tracer = Tracer(shape, dtype=torch.bfloat16)
    traced = tracer.calls(architecture, workload)
    assert [one.call for one in traced] == [one.call for one in recorder.calls]
    fixed = sum(section.fixed_bytes for _, section in tracer.sections(architecture, workload))
    assert fixed == sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))
