"""Elasticity as a declaration: which slice of a shared tensor a subnet reads.

A declaration names, for every parameter of a module, what each of its dimensions follows. An axis is written as

    "inner"                 the first `inner` entries
    "num_heads head_dim"    a compound axis, of which each factor is sliced by itself
    "kernel_size:last"      the last `kernel_size` entries
    "kernel_size:middle"    the middle `kernel_size` entries; every size is odd, or every size even
    "1"                     a fixed size

and the names are the fields of the operator's spec, plus what surrounds it, such as `width` and `vocab_size`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

Axes = Mapping[str, tuple[str, ...]]
Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Slice:
    """How one parameter of a subnet is read out of its shared tensor, which is contiguous.

    `shape`, `stride` and `offset` lay the slice over the shared memory, compound axes unfolded only where they can't be
    one dimension; `folded` is the shape of the result. `whole` says that nothing is left out.
    """

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    folded: tuple[int, ...]
    whole: bool

    @classmethod
    def plan(cls, axes: tuple[str, ...], size: Sizes, full: Sizes) -> Slice:
        """The slice that a parameter with these axes takes at `size` out of a shared tensor at `full` size."""
        groups = [axis.split() for axis in axes]
        shape, stride, folded, offset = [], [], [], 0
        step = prod(_extent(factor, full) for group in groups for factor in group)
        whole = True
        for group in groups:
            dimensions: list[tuple[int, int]] = []
            for factor in group:
                extent, everything = _extent(factor, size), _extent(factor, full)
                assert extent <= everything, f"axis {factor}: {extent} does not fit into the shared {everything}"
                step //= everything
                offset += _start(factor, everything - extent) * step
                whole &= extent == everything
                dimensions.append((extent, step))
            folded.append(prod(extent for extent, _ in dimensions))
            for extent, distance in _merged(dimensions):
                shape.append(extent)
                stride.append(distance)
        return cls(tuple(shape), tuple(stride), offset, tuple(folded), whole)

    def read(self, shared: Tensor) -> Tensor:
        """The slice itself: a view where its memory allows one, else a copy."""
        if self.whole:
            return shared
        region = torch.as_strided(shared, self.shape, self.stride, self.offset)
        return region if self.shape == self.folded else region.reshape(self.folded)

    def region(self, shared: Tensor) -> Tensor:
        """A view of the slice's entries in the shared tensor, compound axes unfolded where they must be."""
        return shared if self.whole else torch.as_strided(shared, self.shape, self.stride, self.offset)

    def add_to(self, shared: Tensor, part: Tensor) -> None:
        """Add `part` (of shape `folded`) in place to the slice of `shared`."""
        self.region(shared).add_(part if self.whole else part.reshape(self.shape))


def _extent(factor: str, size: Sizes) -> int:
    name = factor.partition(":")[0]
    return int(name) if name.isdigit() else size[name]


def _start(factor: str, left_out: int) -> int:
    """Where a factor's slice begins when `left_out` entries are left out."""
    return {"": 0, "last": left_out, "middle": left_out // 2}[factor.partition(":")[2]]


def _merged(dimensions: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbouring dimensions that are evenly spaced in memory as one: (extent, stride) each."""
    merged = [dimensions[0]]
    for extent, stride in dimensions[1:]:
        before, distance = merged[-1]
        if before == 1 or extent == 1 or distance == extent * stride:
            merged[-1] = (before * extent, stride if extent > 1 else distance)
        else:
            merged.append((extent, stride))
    return merged
