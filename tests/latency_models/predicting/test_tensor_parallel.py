"""A model over several devices: every device's part, the collectives between them, and what hides behind what."""

from __future__ import annotations

import json

import pytest

from frontier.errors import InputError
from frontier.latency_models import Tracer, Workload
from frontier.latency_models.predicting.tensor_parallel import CONTENTION, elapsed, one_of, pieces
from frontier.search_space import Architecture
from frontier.supernet import ImageShape, ModelShape

SHAPE = ModelShape(vocab_size=66, context=40)
WORKLOAD = Workload("prefill", 3, 7)
ATTENTION = {"kind": "attention", "num_heads": 12, "num_kv_heads": 2, "head_dim": 8}
MIXERS = [
    ATTENTION,
    {"kind": "causal_conv", "channels": 24, "kernel_size": 3},
    {"kind": "gated_conv", "channels": 24, "kernel_size": 3},
    {"kind": "cosformer", "num_heads": 4, "head_dim": 8},
    {"kind": "gated_linear", "num_heads": 4, "head_dim": 8},
    {"kind": "mamba2", "num_heads": 4, "head_dim": 8, "state_dim": 8},
]
CHANNELS = [
    {"kind": "swiglu", "inner": 32},
    {"kind": "gelu_mlp", "inner": 32},
    {"kind": "squared_relu", "inner": 32},
    {"kind": "moe", "num_experts": 3, "top_k": 2, "inner": 32, "shared_inner": 0},
]


def model(residual: str = "sequential", token: dict = ATTENTION, channel: dict = CHANNELS[0]) -> Architecture:
    block = {"token_mixer": token, "channel_mixer": channel}
    return Architecture.from_json({"width": 24, "blocks": [block, block], "residual": residual})


def on(devices: int, architecture: Architecture) -> tuple[Architecture, list]:
    own, shape = one_of(architecture, SHAPE, devices)
    return own, pieces(own, shape, WORKLOAD, devices, "float32", 4)


def products(architecture: Architecture, shape: ModelShape) -> int:
    """FLOPs of the blocks, without the embedding and the head."""
    calls = Tracer(shape).calls(architecture, WORKLOAD)
    return sum(one.call.flops for one in calls if one.layer.startswith("blocks"))


@pytest.mark.parametrize("token", MIXERS, ids=lambda spec: spec["kind"])
@pytest.mark.parametrize("channel", CHANNELS, ids=lambda spec: spec["kind"])
def test_devices_share_the_work(token: dict, channel: dict) -> None:
    whole = model(token=token, channel=channel)
    own, shape = one_of(whole, SHAPE, 2)
    assert isinstance(shape, ModelShape)
    assert (own.width, own.depth, shape.vocab_size) == (24, 2, 33)
    # Routers and what groups of heads share are whole on every device.
    assert products(own, shape) == pytest.approx(products(whole, SHAPE) / 2, rel=0.12)


def test_key_value_heads_are_repeated_when_there_are_too_few() -> None:
    mixer = one_of(model(channel={"kind": "none"}), SHAPE, 4)[0].blocks[0].token_mixer
    assert (mixer.num_heads, mixer.num_kv_heads) == (3, 1)  # type: ignore[union-attr]


def test_one_device_exchanges_nothing() -> None:
    whole = model()
    own, found = on(1, whole)
    assert own == whole
    assert not any(piece.exchange for piece in found)


@pytest.mark.parametrize(("residual", "exchanges"), [("sequential", 6), ("ladder", 6), ("parallel", 4)])
def test_who_waits_for_whom(residual: str, exchanges: int) -> None:
    _, found = on(2, model(residual))
    sent = [piece.exchange for piece in found if piece.exchange]
    assert len(sent) == exchanges
    assert [call.op for call in sent] == ["collective.all_reduce.default"] * (exchanges - 1) + [
        "collective.all_gather.default"
    ]
    stream = json.loads(sent[1].arguments)
    assert stream == {"dtype": "float32", "message_bytes": 3 * 7 * 24 * 4, "num_gpus": 2}
    assert json.loads(sent[-1].arguments)["message_bytes"] == 3 * 7 * 66 * 4
    hidden = [piece.hidden for piece in found]
    assert any(hidden) == (residual == "ladder")
    assert not hidden[0]
    assert not hidden[-1]
    assert [piece.member.name for piece in found][:3] == ["embed", "blocks.0.token_mixer", "blocks.0.channel_mixer"]


def test_what_is_not_split_needs_no_exchange() -> None:
    _, found = on(2, model(token={"kind": "pooling", "window": 3}))
    assert sum(piece.exchange is not None for piece in found) == 4


def test_hidden_exchanges_cost_what_the_next_piece_does_not_cover() -> None:
    assert elapsed([5, 7, 4], [2, 3, 1], [False, False, False]) == 22
    assert elapsed([5, 7, 4], [2, 3, 0], [True, True, False]) == pytest.approx(16 + 5 * CONTENTION)
    assert elapsed([5, 2, 4], [9, 0, 0], [True, False, False]) == pytest.approx(5 + 9 + 4 + 2 * CONTENTION)
    assert elapsed([5], [9], [True]) == 14


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(InputError, match=r"blocks\.0\.token_mixer\.num_heads: .* 5 devices it is split over; got 12"):
        one_of(model(), SHAPE, 5)
    with pytest.raises(InputError, match="tensor_parallel: at least 1 device; got 0"):
        one_of(model(), SHAPE, 0)
    mohd = {"kind": "mohd", "group_size": 8, "shared": 1, "routed": 1}
    hidden = Architecture.from_json({**model().to_json(), "hidden": mohd})
    with pytest.raises(InputError, match="tensor_parallel: 1 with a hidden dimension of kind mohd; got 2"):
        one_of(hidden, SHAPE, 2)
    with pytest.raises(InputError, match="tensor_parallel: 1 for image classifiers; got 2"):
        one_of(model(), ImageShape(1, 8, 10), 2)
