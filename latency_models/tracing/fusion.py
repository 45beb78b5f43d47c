"""What a compiler makes of a trace: elementwise calls become one kernel with their neighbours.

torch.compile and serving engines fuse what only passes data along (norms, rotations, activations, additions), so that
it reads its inputs and writes its results once. Traces are eager and know every step in between. Rule: a call of these
families waits for others of its section until something reads what it makes; those that waited together are one kernel,
whose traffic is what comes from outside and what is used outside.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ..calls import KernelCall, LayerCall
from ..families import FUSED

FUSIBLE = frozenset({"pointwise", "copy", "norm", "reduction", "creation"})


def fused(calls: Sequence[LayerCall]) -> tuple[LayerCall, ...]:
    """The calls of a section as compiled code launches them, in order.

    What nobody of the section reads counts as used: the next section reads it.
    """
    found: list[LayerCall] = []
    waiting: list[LayerCall] = []
    for one in calls:
        if one.call.family in FUSIBLE:
            waiting.append(one)
            continue
        group = _needed(waiting, one)
        waiting = [other for other in waiting if not any(other is member for member in group)]
        found += [*_launched(group, calls), one]
    return (*found, *_launched(waiting, calls))


def _needed(waiting: Sequence[LayerCall], reader: LayerCall) -> list[LayerCall]:
    """Those of the waiting that a call cannot run before: it reads what they make, or writes over what they touch."""
    wanted, overwritten = _storages(reader.reads), _storages(reader.writes)
    group: list[LayerCall] = []
    for one in reversed(waiting):
        reads, writes = _storages(one.reads), _storages(one.writes)
        if writes & wanted or (reads | writes) & overwritten:
            group.append(one)
            wanted |= reads
            overwritten |= writes
    return group[::-1]


def _launched(group: list[LayerCall], calls: Sequence[LayerCall]) -> list[LayerCall]:
    return [_one_kernel(group, calls)] if len(group) > 1 else group


def _one_kernel(group: Sequence[LayerCall], calls: Sequence[LayerCall]) -> LayerCall:
    others = [one for one in calls if not any(one is member for member in group)]
    reads, writes = _from_outside(group), _used_outside(group, others)
    arguments = {"ops": [one.call.op for one in group], "reads": _sizes(reads), "writes": _sizes(writes)}
    call = KernelCall(
        op="compiled.pointwise.default",
        family=FUSED,
        arguments=json.dumps(arguments, sort_keys=True, separators=(",", ":")),
        flops=sum(one.call.flops for one in group),
        bytes=sum(size for _, size in (*reads, *writes)),
    )
    return LayerCall(group[0].layer, call, 1, reads, writes)


def _from_outside(group: Iterable[LayerCall]) -> tuple[tuple[int, int], ...]:
    """Storages that are read before anything of the group has written them."""
    written: set[int] = set()
    found: dict[int, int] = {}
    for one in group:
        for storage, size in one.reads:
            if storage not in written:
                found[storage] = max(found.get(storage, 0), size)
        written |= _storages(one.writes)
    return tuple(found.items())


def _used_outside(group: Sequence[LayerCall], others: Sequence[LayerCall]) -> tuple[tuple[int, int], ...]:
    """Storages of the group that others read, and those that nobody of the section reads: its results."""
    read_inside = {storage for one in group for storage in _storages(one.reads)}
    read_outside = {storage for one in others for storage in _storages(one.reads)}
    found: dict[int, int] = {}
    for one in group:
        for storage, size in one.writes:
            if storage in read_outside or storage not in read_inside:
                found[storage] = max(found.get(storage, 0), size)
    return tuple(found.items())


def _storages(touched: Iterable[tuple[int, int]]) -> set[int]:
    return {storage for storage, _ in touched}


def _sizes(touched: Iterable[tuple[int, int]]) -> list[int]:
    return [size for _, size in touched]
