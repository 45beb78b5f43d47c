"""Part of the operators' conformance suite on a GPU, and that a trace made for it is what it runs."""

from __future__ import annotations

from random import Random

import pytest
import torch
from torch import nn

from frontier.latency_models import Tracer, Workload
from frontier.latency_models.measuring.cuda_models import model_run
from frontier.latency_models.tracing.recorder import Recorder
from frontier.search_space import Architecture
from frontier.supernet import ImageShape, Shape, Supernet
from frontier.supernet.routing import Router

from ..supernet import test_operators as conformance

DTYPES = [torch.float32, torch.bfloat16]


@pytest.fixture(scope="module", params=list(conformance.cases()), ids=lambda case: f"{case[1]}-{case[2]}")
def supernet(a_gpu: None, request: pytest.FixtureRequest) -> Supernet:
    """An operator's supernet, on the CPU."""
    return Supernet(conformance.space_of(*request.param), conformance.SHAPES[request.param[2]], seed=1)


def architectures(supernet: Supernet) -> list[Architecture]:
    space, rng = supernet.space, Random(0)
    return list(dict.fromkeys([space.smallest(), space.largest(), space.sample(rng), space.sample(rng)]))


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.cpu().double() - expected.double()).abs().max() / expected.abs().max())


def routes(model: nn.Module) -> bool:
    return any(isinstance(module, Router) for module in model.modules())


@torch.no_grad()
def test_it_says_what_it_says_on_a_cpu(supernet: Supernet) -> None:
    for architecture in architectures(supernet):
        model, x = supernet.extract(architecture).eval(), conformance.inputs(supernet)
        expected = model(x)
        assert difference(model.cuda()(x.cuda()), expected) < 1e-4, architecture.canonical


@torch.no_grad()
def test_decoding_step_by_step_is_prefill(supernet: Supernet) -> None:
    if isinstance(supernet.shape, ImageShape):
        pytest.skip("an image is read at once")
    for architecture in architectures(supernet):
        model, ids_BT = supernet.extract(architecture).eval().cuda(), conformance.inputs(supernet).cuda()
        with torch.device("cuda"):
            decoded, _ = conformance.decode(model, ids_BT)
        assert difference(decoded, model(ids_BT).cpu()) < 1e-4, architecture.canonical


@torch.no_grad()
def test_bfloat16_says_nearly_the_same(supernet: Supernet) -> None:
    for architecture in architectures(supernet):
        model, x = supernet.extract(architecture).eval(), conformance.inputs(supernet)
        expected = model(x)
        said = model.to("cuda", torch.bfloat16)(x.cuda() if not x.is_floating_point() else x.to("cuda", torch.bfloat16))
        assert said.dtype == torch.bfloat16
        assert said.isfinite().all(), architecture.canonical
        if not routes(model):
            # A router may send a token elsewhere because of one rounding.
            alike = torch.cosine_similarity(said.cpu().float().flatten(), expected.flatten(), dim=0)
            assert alike > 0.99, architecture.canonical


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_trace_is_what_runs(supernet: Supernet, dtype: torch.dtype) -> None:
    tracer = Tracer(supernet.shape, "cuda", dtype)
    for architecture in architectures(supernet):
        for phase in supernet.shape.phases:
            workload = Workload(phase, 2, supernet.shape.most_tokens(phase))
            traced = [(one.call.op, one.call.arguments) for one in tracer.calls(architecture, workload)]
            assert traced == launched(architecture, supernet.shape, workload, dtype), architecture.canonical


def launched(architecture: Architecture, shape: Shape, workload: Workload, dtype: torch.dtype) -> list[tuple[str, str]]:
    """What a real run on the GPU dispatches."""
    with torch.no_grad():
        run = model_run(architecture, shape, workload, dtype)
        recorder = Recorder("all")
        with recorder:
            run()
    return [(one.call.op, one.call.arguments) for one in recorder.calls]
