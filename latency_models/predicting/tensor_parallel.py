"""One model over several devices: what each of them holds, and what they tell each other.

Every mixer is split by heads, channels or hidden units (see `Spec.per_device`); each device then has a part of what is
added to the residual stream, and an all-reduce adds the parts up. Embedding and head are split by vocabulary.

Source: arXiv 1909.08053 (tensor parallelism), arXiv 2501.06589 (the ladder residual hides the all-reduce behind the
next mixer), arXiv 2204.02311 (parallel mixers share one all-reduce).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from ...errors import InputError
from ...search_space import Architecture, Block, Spec
from ...supernet import ModelShape, Shape
from ..calls import KernelCall
from ..families import COLLECTIVE
from ..tracing.sections import Member, members
from ..workload import Workload

# How much longer two streams take side by side, in parts of the shorter one: they share memory and multiprocessors.
CONTENTION = 0.1


@dataclass(frozen=True)
class Piece:
    """A section of a model and the collective that it ends in, if any. `hidden` ones run beside the next section."""

    member: Member
    exchange: KernelCall | None = None
    hidden: bool = False


def one_of(architecture: Architecture, shape: Shape, devices: int) -> tuple[Architecture, Shape]:
    """The part of a model that one of several devices holds, and of its shape.

    Raises:
        InputError: a mixer is not divided by the devices, or the model is of a kind that is not split.
    """
    if devices < 1:
        raise InputError(f"tensor_parallel: at least 1 device; got {devices}")
    if devices == 1:
        return architecture, shape
    if not isinstance(shape, ModelShape):
        raise InputError(f"tensor_parallel: 1 for image classifiers; got {devices}")
    if architecture.hidden.kind != "dense":
        raise InputError(
            f"tensor_parallel: 1 with a hidden dimension of kind {architecture.hidden.kind}; got {devices}"
        )
    blocks = tuple(_block_of(block, index, devices) for index, block in enumerate(architecture.blocks))
    vocab_size = -(-shape.vocab_size // devices)
    return architecture.model_copy(update={"blocks": blocks}), replace(shape, vocab_size=vocab_size)


def pieces(
    architecture: Architecture, shape: Shape, workload: Workload, devices: int, dtype: str, element_bytes: int
) -> list[Piece]:
    """What one device runs, in order, and when it waits for the others.

    `architecture` and `shape` are the device's own (see `one_of`); logits are gathered, `devices` times the shape's.
    """
    found = [Piece(member) for member in members(architecture)]
    if devices == 1:
        return found
    assert isinstance(shape, ModelShape)
    rows = workload.batch * (workload.tokens or 1)

    def exchange(op: str, *sizes: int) -> KernelCall:
        return collective(op, rows * prod(sizes) * element_bytes, devices, dtype)

    stream = exchange("all_reduce", architecture.width)
    first, *halves, last = found
    ends = {
        "embed": replace(first, exchange=stream),
        "head": replace(last, exchange=exchange("all_gather", devices, shape.vocab_size)),
    }
    split = [_is_split(piece.member.setting.spec) for piece in halves]
    if architecture.residual == "parallel":
        pairs = zip(split[::2], split[1::2], strict=True)
        split = [ends_block and any(pair) for pair in pairs for ends_block in (False, True)]
    hidden = architecture.residual == "ladder"
    halves = [
        replace(piece, exchange=stream, hidden=hidden) if needs else piece
        for piece, needs in zip(halves, split, strict=True)
    ]
    return [ends["embed"], *halves, ends["head"]]


def collective(op: str, message_bytes: int, num_gpus: int, dtype: str) -> KernelCall:
    """A collective as a kernel call; `message_bytes` is the whole message, as kernel tables count it."""
    arguments = {"num_gpus": num_gpus, "message_bytes": message_bytes, "dtype": dtype}
    return KernelCall(f"collective.{op}.default", COLLECTIVE, json.dumps(arguments, sort_keys=True), 0, message_bytes)


def elapsed(compute: Sequence[float], exchange: Sequence[float], hidden: Sequence[bool]) -> float:
    """When the last of a row of pieces ends, in the unit of their times.

    The piece after a hidden exchange does not wait for it; the one after that waits for both.
    """
    now = pending = 0.0
    for computes, exchanges, is_hidden in zip(compute, exchange, hidden, strict=True):
        now += max(computes, pending) + CONTENTION * min(computes, pending)
        pending = exchanges if is_hidden else 0.0
        now += 0.0 if is_hidden else exchanges
    return now + pending


def _block_of(block: Block, index: int, devices: int) -> Block:
    halves = {}
    for slot in ("token_mixer", "channel_mixer"):
        try:
            halves[slot] = getattr(block, slot).per_device(devices)
        except ValueError as error:
            raise InputError(f"blocks.{index}.{slot}.{error}") from None
    return Block(**halves)


def _is_split(spec: Spec | None) -> bool:
    return spec is not None and bool(spec.split_over_devices)
