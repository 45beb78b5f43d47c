"""Routed operators launch on fake tensors what they launch on real ones, and their calls can be replayed alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from frontier.latency_models.calls import KernelCall
from frontier.latency_models.measuring.replay import prepare
from frontier.latency_models.tracing.recorder import Recorder
from frontier.search_space import Attention, MoE, MoHD, SwiGLU
from frontier.supernet.mohd import MoHDSublayer
from frontier.supernet.operators.attention import AttentionModule
from frontier.supernet.operators.moe import MoEModule
from frontier.supernet.operators.swiglu import SwiGLUModule

WIDTH, CONTEXT = 24, 9
HIDDEN = MoHD(group_size=4, shared=3, routed=2, fusion="monarch", fusion_blocks=2)


def experts() -> nn.Module:
    return MoEModule(MoE(num_experts=5, top_k=2, inner=7, shared_inner=3), WIDTH)


def attention() -> nn.Module:
    mixer = Attention(num_heads=2, num_kv_heads=1, head_dim=6)
    return MoHDSublayer(HIDDEN, WIDTH, AttentionModule(mixer, WIDTH, CONTEXT))


def feed_forward() -> nn.Module:
    return MoHDSublayer(HIDDEN, WIDTH, SwiGLUModule(SwiGLU(inner=10), WIDTH))


def shared_only() -> nn.Module:
    return MoHDSublayer(MoHD(group_size=4, shared=3, routed=0), WIDTH, SwiGLUModule(SwiGLU(inner=10), WIDTH))


ROUTED = {
    experts: ["frontier.moe_mlp.default"],
    attention: ["frontier.mohd_read.default"] * 3 + ["frontier.mohd_write.default"],
    feed_forward: ["frontier.mohd_read.default"] * 2 + ["frontier.mohd_write.default"],
    shared_only: [],
}


def recorded(module: nn.Module, x: Tensor, decode: bool) -> list[KernelCall]:
    recorder = Recorder("mixer")
    with torch.no_grad():
        state = module.init_state(len(x)) if decode else None
        with recorder:
            module.step(x, state) if decode else module(x)
    return [call.call for call in recorder.calls]


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("make", ROUTED)
def test_fake_and_real_tensors_launch_the_same(make: Callable[[], nn.Module], phase: str) -> None:
    shape = (2, CONTEXT, WIDTH) if phase == "prefill" else (2, WIDTH)
    steps = phase == "decode" and make is attention
    with FakeTensorMode():
        fake = recorded(make(), torch.empty(shape), steps)
    assert fake == recorded(make(), torch.randn(shape), steps)
    assert sorted(call.op for call in fake if call.family == "grouped_matmul") == sorted(ROUTED[make])
    assert not [call.op for call in fake if call.family == "unknown"]


@pytest.mark.parametrize("make", [make for make, routed in ROUTED.items() if routed])
def test_routed_calls_are_replayed_with_legal_choices(make: Callable[[], nn.Module]) -> None:
    for call in recorded(make(), torch.randn(2, CONTEXT, WIDTH), decode=False):
        if call.family == "grouped_matmul":
            replay = prepare(call, seed=3)
            assert replay.op(*replay.args, **replay.kwargs).isfinite().all()
            assert max(int(value.max()) for value in replay.args if getattr(value, "dtype", None) == torch.int64) > 1
