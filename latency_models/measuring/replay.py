"""Launching a recorded call again, by itself, on real tensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from ..calls import KernelCall


@dataclass(frozen=True)
class Values:
    """What an integer tensor holds that addresses another one: `low` up to `high`, `high` left out."""

    high: int
    low: int = 0
    distinct: bool = False
    """Whether the values of one row differ, as the experts of one token do."""


# Where an operator takes an integer tensor that addresses another one, and what that may hold.
INDICES: dict[str, tuple[int, Callable[[list], Values]]] = {
    "aten.embedding": (1, lambda args: Values(_axis(args[0], 0))),
    "aten.embedding_dense_backward": (1, lambda args: Values(args[2])),
    "aten.nll_loss_forward": (1, lambda args: Values(_axis(args[0], -1))),
    "aten.nll_loss_backward": (2, lambda args: Values(_axis(args[1], -1))),
    "frontier.moe_mlp": (5, lambda args: Values(_axis(args[1], 0), distinct=True)),
    "frontier.moe_mlp_backward": (6, lambda args: Values(_axis(args[2], 0), distinct=True)),
    "frontier.mohd_read": (3, lambda args: _routed(_axis(args[0], 1), *args[4:6])),
    "frontier.mohd_read_backward": (4, lambda args: _routed(_axis(args[1], 1), *args[5:7])),
    "frontier.mohd_write": (2, lambda args: _routed(_axis(args[1], 0), *args[3:5])),
    "frontier.mohd_write_backward": (3, lambda args: _routed(_axis(args[2], 0), *args[4:6])),
}


ROUTED = frozenset(name for name in INDICES if name.startswith("frontier."))


@dataclass(frozen=True)
class Replay:
    """A call made ready: the operator and its arguments."""

    op: OpOverload
    args: list
    kwargs: dict[str, Any]


def prepare(call: KernelCall, device: str = "cpu", seed: int = 0, skew: float = 0.0) -> Replay:
    """Make the tensors of a call: its shapes and strides, normal floats (never zeros), integers in legal ranges.

    Experts and groups are chosen as by a router that is balanced, or, with `skew`, one to whom the r-th of them is
    as likely as r to the power of - `skew`.
    """
    op = operator(call.op)
    plain = json.loads(call.arguments)
    generator = torch.Generator(device).manual_seed(seed)
    indices = _indices(op, plain)

    def build(value: Any, path: tuple) -> Any:
        if isinstance(value, list):
            return [build(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if "tensor" in value:
            return _tensor(value, device, generator, indices.get(path, Values(2)), skew)
        return _scalar(value, device)

    kwargs = {name: build(value, ("kwargs", name)) for name, value in plain["kwargs"].items()}
    return Replay(op, build(plain["args"], ("args",)), kwargs)


def is_routed(call: KernelCall) -> bool:
    """Whether how long a call takes depends on where its tokens are sent."""
    return call.op.rsplit(".", 1)[0] in ROUTED


def operator(name: str) -> OpOverload:
    """The overload of a recorded name, "aten.mm.default"."""
    namespace, packet, overload = name.split(".")
    return getattr(getattr(getattr(torch.ops, namespace), packet), overload)


def _tensor(plain: dict[str, Any], device: str, generator: torch.Generator, values: Values, skew: float) -> Tensor:
    shape, stride, dtype = plain["tensor"], plain["stride"], getattr(torch, plain["dtype"])
    extent = 1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) if 0 not in shape else 0
    if dtype == torch.bool:
        flat = torch.rand(extent, generator=generator, device=device) < 0.5
    elif dtype.is_floating_point or dtype.is_complex:
        flat = torch.randn(extent, generator=generator, device=device, dtype=dtype)
    elif values.distinct:
        chosen = _without_repeats((*shape[:-1], values.high - values.low), skew, generator)[..., : shape[-1]]
        return torch.empty_strided(shape, stride, dtype=dtype, device=device).copy_(chosen + values.low)
    else:
        flat = torch.randint(values.low, values.high, (extent,), generator=generator, device=device, dtype=dtype)
    return flat.as_strided(shape, stride)


def _without_repeats(shape: tuple[int, ...], skew: float, generator: torch.Generator) -> Tensor:
    """All places in the order in which they are drawn, the likelier the earlier (Gumbel-top-k, arXiv 1903.06059)."""
    uniform = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)
    rank = torch.arange(1, shape[-1] + 1, device=generator.device, dtype=torch.float64)
    return (-(-uniform.log()).log() - skew * rank.log()).argsort(dim=-1, descending=True)


def _scalar(plain: dict[str, Any], device: str) -> Any:
    if "float" in plain:
        return float(plain["float"])
    if "torch" in plain:
        return getattr(torch, plain["torch"])
    assert plain == {"device": True}, f"unknown argument {plain}"
    return torch.device(device)


def _axis(plain: dict[str, Any], axis: int) -> int:
    return plain["tensor"][axis]


def _routed(width: int, shared: int, group_size: int) -> Values:
    """Groups of the hidden dimension that a token may choose: those that are not shared by all."""
    return Values(width // group_size, low=shared, distinct=True)


def _indices(op: OpOverload, plain: dict[str, Any]) -> dict[tuple, Values]:
    """By argument path, what an integer tensor that addresses another tensor holds."""
    packet = str(op.overloadpacket)
    args = plain["args"]
    if packet in ("aten.index", "aten.index_put", "aten.index_put_"):
        return {("args", 1, axis): Values(args[0]["tensor"][axis]) for axis, value in enumerate(args[1]) if value}
    if packet in INDICES:
        place, values = INDICES[packet]
        return {("args", place): values(args)}
    names = [argument.name for argument in op._schema.arguments]
    if "index" in names and "dim" in names and isinstance(args[names.index("index")], dict):
        dim = args[names.index("dim")]
        return {("args", names.index("index")): Values(args[0]["tensor"][dim])}
    return {}
