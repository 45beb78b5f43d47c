"""Attention in a sliding window as compiled code launches it: one kernel that is told the window, and no mask.

An eager trace of a prompt has a mask of (tokens, tokens), and says nothing of the window but by its values, which fake
tensors have none of. A step of decoding reads a ring of the last tokens. So both are told from the mixer's spec.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...search_space import Spec
from ..calls import KernelCall, LayerCall
from ..workload import Workload

OP = "compiled.window_attention.default"


def windowed(calls: Sequence[LayerCall], spec: Spec | None, workload: Workload) -> tuple[LayerCall, ...]:
    """The calls of a section, attention of a `spec` whose window is shorter than what there is to see as one kernel.

    A training step stays as it is. The kernel's arguments are the query and key of the call it stands for, `window`,
    and the `context` that the window is the end of.
    """
    window = getattr(spec, "window", None)
    context = workload.seq_len + 1 if workload.tokens is None else workload.seq_len
    if window is None or window >= context or workload.phase == "train":
        return tuple(calls)
    masks = {one.reads[-1][0] for one in calls if _is_masked(one)}
    kept = _without_makers(calls, masks)
    return tuple(_told(one, masks, window, context) if one.call.family == "attention" else one for one in kept)


def _is_masked(one: LayerCall) -> bool:
    return one.call.family == "attention" and "attn_mask" in json.loads(one.call.arguments)["kwargs"]


def _without_makers(calls: Sequence[LayerCall], masks: set[int]) -> list[LayerCall]:
    """All calls but those that only help to make a mask: what they write is read by nothing else."""
    kept: list[LayerCall] = []
    wanted: set[int] = set()
    unwanted = set(masks)
    for one in reversed(calls):
        reads, writes = ({storage for storage, _ in touched} for touched in (one.reads, one.writes))
        if writes and writes <= unwanted - wanted:
            unwanted |= reads
            continue
        kept.append(one)
        wanted |= reads - masks if _is_masked(one) else reads
    return kept[::-1]


def _told(one: LayerCall, masks: set[int], window: int, context: int) -> LayerCall:
    query, key, *_ = json.loads(one.call.arguments)["args"]
    arguments = {"query": query, "key": key, "window": window, "context": context}
    reads = tuple((storage, size) for storage, size in one.reads if storage not in masks)
    call = KernelCall(
        op=OP,
        family=one.call.family,
        arguments=json.dumps(arguments, sort_keys=True, separators=(",", ":")),
        flops=_flops(query, window),
        bytes=sum(size for _, size in (*reads, *one.writes)),
    )
    return LayerCall(one.layer, call, one.launches, reads, one.writes)


def _flops(query: dict[str, Any], window: int) -> int:
    """Scores and their sum over values, of every query and what it sees."""
    batch, heads, tokens, width = query["tensor"]
    seen = window if tokens == 1 else tokens * window - window * (window - 1) // 2
    return int(4 * batch * heads * width * seen)
