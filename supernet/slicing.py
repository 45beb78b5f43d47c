"""Elasticity as a declaration: which slice of a shared tensor a subnet reads.

A declaration names, for every parameter of a module, what each of its dimensions follows. An axis is written as

    "inner"                 the first `inner` entries
    "num_heads head_dim"    a compound axis, of which each factor is sliced by itself
    "kernel_size:last"      the last `kernel_size` entries
    "1"                     a fixed size

and the names are the fields of the operator's spec, plus `width` and `vocab_size`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from torch import Tensor

Axes = Mapping[str, tuple[str, ...]]
Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Slice:
    """How one parameter of a subnet is read out of its shared tensor.

    `expanded` is the shared tensor's shape with compound axes unfolded, `index` the part that is read, `shape` the
    shape of the result.
    """

    expanded: tuple[int, ...]
    index: tuple[slice, ...]
    shape: tuple[int, ...]

    @classmethod
    def plan(cls, axes: tuple[str, ...], size: Sizes, full: Sizes) -> Slice:
        """The slice that a parameter with these axes takes at `size` out of a shared tensor at `full` size."""
        factors = [axis.split() for axis in axes]
        flat = [factor for group in factors for factor in group]
        return cls(
            expanded=tuple(_extent(factor, full) for factor in flat),
            index=tuple(_range(factor, size, full) for factor in flat),
            shape=tuple(prod(_extent(factor, size) for factor in group) for group in factors),
        )

    def read(self, shared: Tensor) -> Tensor:
        """The slice itself: a view where its memory allows one, else a copy."""
        return shared.view(self.expanded)[self.index].reshape(self.shape)

    def add_to(self, shared: Tensor, part: Tensor) -> None:
        """Add `part` (of shape `shape`) in place to the slice of `shared`."""
        region = shared.view(self.expanded)[self.index]
        region.add_(part.view(region.shape))


def _extent(factor: str, size: Sizes) -> int:
    name = factor.removesuffix(":last")
    return int(name) if name.isdigit() else size[name]


def _range(factor: str, size: Sizes, full: Sizes) -> slice:
    extent, whole = _extent(factor, size), _extent(factor, full)
    assert extent <= whole, f"axis {factor}: {extent} does not fit into the shared {whole}"
    return slice(whole - extent, whole) if factor.endswith(":last") else slice(extent)
