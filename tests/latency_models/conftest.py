"""A space small enough to exhaust, with odd sizes, and synthetic device profiles made from a known law."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
import torch

from frontier.latency_models import (
    DeviceProfile,
    KernelCall,
    Measurement,
    Runtime,
    Workload,
    describe_device,
    space_calls,
)
from frontier.latency_models.measuring import timing
from frontier.latency_models.tracing.decode_state import cached_state, storage_bytes
from frontier.latency_models.tracing.recorder import Recorder
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ModelShape, Shape, build_model


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests check that timing holds together, not how good it is, so they need not wait for a quiet machine."""
    monkeypatch.setattr(timing, "PATIENCE_SECONDS", 0.1)


@pytest.fixture(scope="session")
def shape() -> ModelShape:
    return ModelShape(vocab_size=63, context=40)


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    return SearchSpace.parse(
        {
            "name": "small",
            "width": [24, 40],
            "depth": [1, 2],
            "token_mixers": [
                {"kind": "attention", "num_heads": [1, 3], "num_kv_heads": 1, "head_dim": 8, "window": [9, None]},
                {"kind": "causal_conv", "channels": 33, "kernel_size": [3]},
            ],
            "channel_mixers": [{"kind": "swiglu", "inner": [17]}, {"kind": "gelu_mlp", "inner": 31}],
        }
    )


@pytest.fixture(scope="session", params=["prefill", "decode"])
def workload(request: pytest.FixtureRequest) -> Workload:
    return Workload(request.param, batch=2, seq_len=21)


def law_us(call: KernelCall) -> float:
    """A device on which every kernel takes 2 us, and 1 us more per 3000 operations and per 800 bytes."""
    return 2.0 + call.flops / 3000 + call.bytes / 800


@pytest.fixture(scope="session")
def lawful() -> Callable[[KernelCall], Measurement]:
    return lambda call: Measurement(call, law_us(call), 0.01, 10)


@pytest.fixture(scope="session")
def composition() -> dict:
    fitted = {
        "kernel_factor": 1.1,
        "launch_ms": 0.002,
        "fixed_ms": 0.05,
        "interval": 0.04,
        "mape": 0.02,
        "seed": 3,
        "space": "small",
        "workloads": [],
        "digests": [],
    }
    return {"prefill": fitted, "decode": fitted}


@pytest.fixture(scope="session")
def profile(
    space: SearchSpace, shape: ModelShape, composition: dict, lawful: Callable[[KernelCall], Measurement]
) -> DeviceProfile:
    """Seven of eight calls of the space are measured; the rest must be predicted."""
    calls = space_calls(space, shape, [Workload("prefill", 2, 21), Workload("decode", 2, 21)])
    rng = Random(0)
    measured = tuple(lawful(call) for call in calls if rng.random() < 7 / 8)
    return DeviceProfile("lawful", describe_device(Runtime()), measured, composition)


def real_run(architecture: Architecture, shape: Shape, workload: Workload) -> tuple[Recorder, torch.nn.Module, int]:
    """Run the whole model for real under the recorder; also the bytes of state alive when it starts."""
    model, held, state = build_model(architecture, shape), 0, None
    example = shape.example(workload.batch, workload.tokens)
    text = isinstance(shape, ModelShape)
    inputs = torch.randint_like(example, shape.vocab_size) if text else torch.rand_like(example)
    with torch.no_grad():
        if workload.phase == "decode":
            state = cached_state(model, workload.batch, workload.seq_len, inputs)
            held = storage_bytes(state)
        recorder = Recorder("all")
        recorder.hold(inputs)
        with recorder:
            out = model(inputs) if state is None else model.step(inputs, state)
        del out
    return recorder, model, held
