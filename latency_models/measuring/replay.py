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

# Where an operator takes an integer tensor that addresses another one, and how many values that may take.
INDICES: dict[str, tuple[int, Callable[[list], int]]] = {
    "aten.embedding": (1, lambda args: _axis(args[0], 0)),
    "aten.embedding_dense_backward": (1, lambda args: args[2]),
    "aten.nll_loss_forward": (1, lambda args: _axis(args[0], -1)),
    "aten.nll_loss_backward": (2, lambda args: _axis(args[1], -1)),
    "frontier.moe_mlp": (5, lambda args: _axis(args[1], 0)),
    "frontier.moe_mlp_backward": (6, lambda args: _axis(args[2], 0)),
    "frontier.mohd_read": (3, lambda args: _axis(args[0], 1) // args[5]),
    "frontier.mohd_read_backward": (4, lambda args: _axis(args[1], 1) // args[6]),
    "frontier.mohd_write": (2, lambda args: _axis(args[1], 0) // args[4]),
    "frontier.mohd_write_backward": (3, lambda args: _axis(args[2], 0) // args[5]),
}


@dataclass(frozen=True)
class Replay:
    """A call made ready: the operator and its arguments."""

    op: OpOverload
    args: list
    kwargs: dict[str, Any]


def prepare(call: KernelCall, device: str = "cpu", seed: int = 0) -> Replay:
    """Make the tensors of a call: its shapes and strides, normal floats (never zeros), integers in legal ranges."""
    op = operator(call.op)
    plain = json.loads(call.arguments)
    generator = torch.Generator(device).manual_seed(seed)
    limits = _index_limits(op, plain)

    def build(value: Any, path: tuple) -> Any:
        if isinstance(value, list):
            return [build(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if "tensor" in value:
            return _tensor(value, device, generator, limits.get(path))
        return _scalar(value, device)

    kwargs = {name: build(value, ("kwargs", name)) for name, value in plain["kwargs"].items()}
    return Replay(op, build(plain["args"], ("args",)), kwargs)


def operator(name: str) -> OpOverload:
    """The overload of a recorded name, "aten.mm.default"."""
    namespace, packet, overload = name.split(".")
    return getattr(getattr(getattr(torch.ops, namespace), packet), overload)


def _tensor(plain: dict[str, Any], device: str, generator: torch.Generator, limit: int | None) -> Tensor:
    shape, stride, dtype = plain["tensor"], plain["stride"], getattr(torch, plain["dtype"])
    extent = 1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) if 0 not in shape else 0
    if dtype == torch.bool:
        flat = torch.rand(extent, generator=generator, device=device) < 0.5
    elif dtype.is_floating_point or dtype.is_complex:
        flat = torch.randn(extent, generator=generator, device=device, dtype=dtype)
    else:
        flat = torch.randint(0, limit or 2, (extent,), generator=generator, device=device, dtype=dtype)
    return flat.as_strided(shape, stride)


def _scalar(plain: dict[str, Any], device: str) -> Any:
    if "float" in plain:
        return float(plain["float"])
    if "torch" in plain:
        return getattr(torch, plain["torch"])
    assert plain == {"device": True}, f"unknown argument {plain}"
    return torch.device(device)


def _axis(plain: dict[str, Any], axis: int) -> int:
    return plain["tensor"][axis]


def _index_limits(op: OpOverload, plain: dict[str, Any]) -> dict[tuple, int]:
    """By argument path, how many values an integer tensor that addresses another tensor may take."""
    packet = str(op.overloadpacket)
    args = plain["args"]
    if packet in ("aten.index", "aten.index_put", "aten.index_put_"):
        return {("args", 1, axis): args[0]["tensor"][axis] for axis, value in enumerate(args[1]) if value}
    if packet in INDICES:
        place, count = INDICES[packet]
        return {("args", place): count(args)}
    names = [argument.name for argument in op._schema.arguments]
    if "index" in names and "dim" in names and isinstance(args[names.index("index")], dict):
        dim = args[names.index("dim")]
        return {("args", names.index("index")): args[0]["tensor"][dim]}
    return {}
