"""Watching a model run: every kernel it launches, in order, and how much memory is alive at once.

Works alike on fake tensors (nothing is computed) and on real ones, so that a trace can be checked against a real run.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count, shape_wrapper

from ..calls import KernelCall, LayerCall, encode, storage_id
from ..families import family_of
from .workspaces import workspace_bytes


def _cpu_attention_flops(query_shape: Any, key_shape: Any, value_shape: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query_shape, key_shape, value_shape)


def _cpu_attention_backward_flops(
    grad_shape: Any, query_shape: Any, key_shape: Any, value_shape: Any, *_: Any, **__: Any
) -> int:
    return sdpa_backward_flop_count(grad_shape, query_shape, key_shape, value_shape)


# The attention kernels of the CPU are missing in torch's table; the counts are those torch makes for others. Formulas
# take shapes, as those that torch's counter is given do.
EXTRA_FLOPS: dict[Any, Callable[..., int]] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _cpu_attention_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _cpu_attention_backward_flops,
}


@dataclass
class Memory:
    """Bytes of the storages that were made under the recorder and are still alive, and the most there were."""

    alive: int = 0
    peak: int = 0
    known: set[int] = field(default_factory=set)

    def add(self, tensor: Tensor) -> None:
        """Count the memory behind a tensor, once, until it is freed."""
        storage = tensor.untyped_storage()
        identity = storage._cdata
        if identity in self.known:
            return
        size = storage.nbytes()
        self.known.add(identity)
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._drop, identity, size)

    def take(self, size: int) -> None:
        """Count memory that was there only while a kernel ran."""
        self.peak = max(self.peak, self.alive + size)

    def _drop(self, identity: int, size: int) -> None:
        self.known.discard(identity)
        self.alive -= size


class Recorder(TorchDispatchMode):
    """Collects `calls` while active; `layer` is stamped on them and may be changed on the way by `enter`.

    Tensors that were there before (parameters, buffers, state) are no activations.
    """

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer = layer
        self.calls: list[LayerCall] = []
        self.memory = Memory()
        self.peaks: dict[str, int] = {}
        self._held: list[Tensor] = []
        self._numbers: dict[int, int] = {}
        self._count = 0
        self._views = 0
        self._aside = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled under it, and keeping the compiler away costs as much as recording a call.
        return False

    def hold(self, tensor: Tensor) -> Tensor:
        """Count a tensor that was made outside, such as the input, as an activation, and keep it alive."""
        self.memory.add(tensor)
        self._held.append(tensor)
        return tensor

    def aside(self, make: Callable[[], Tensor]) -> Tensor:
        """Count the tensor that `make` makes as an activation, but no call: something outside would have made it."""
        self._aside = True
        try:
            tensor = make()
        finally:
            self._aside = False
        self.memory.add(tensor)
        return tensor

    def enter(self, layer: str) -> None:
        """From here on calls belong to `layer`; its peak starts at what is alive now."""
        self._close_layer()
        self.layer = layer
        self.memory.peak = self.memory.alive

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._close_layer()

    def __torch_dispatch__(self, op: OpOverload, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._aside:
            return op(*args, **kwargs)
        if op.namespace in ("prim", "profiler"):
            # Questions such as "which device?" that only fake tensors ask, and marks of the optimiser: nothing runs.
            return op(*args, **kwargs)
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        sources = {storage_id(tensor) for tensor in inputs}
        arguments = encode(args, kwargs)
        out = _run(op, args, kwargs)
        outputs = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        for tensor in outputs:
            if storage_id(tensor) not in sources:
                self.memory.add(tensor)
        self.memory.take(workspace_bytes(op, args, outputs))
        if not op._schema.is_mutable and outputs and all(storage_id(tensor) in sources for tensor in outputs):
            self._views += 1
            return out
        call = KernelCall(
            op=str(op),
            family=family_of(op),
            arguments=arguments,
            flops=_flops(op, args, kwargs, out),
            bytes=_moved_bytes(family_of(op), inputs, outputs),
        )
        reads, writes = self._touched(inputs), self._touched(outputs, before=sources)
        self.calls.append(LayerCall(self.layer, call, self._views + 1, reads, writes))
        self._views = 0
        return out

    def _touched(self, tensors: list[Tensor], before: set[int] | None = None) -> tuple[tuple[int, int], ...]:
        """Storages by number, and how much of each. Where `before` is given, what is not in it is new."""
        found = _largest_views(tensors)
        for identity in found:
            if identity not in self._numbers or (before is not None and identity not in before):
                self._count += 1
                self._numbers[identity] = self._count
        return tuple((self._numbers[identity], size) for identity, size in found.items())

    def _close_layer(self) -> None:
        self.peaks[self.layer] = max(self.peaks.get(self.layer, 0), self.memory.peak)
        if self._views and self.calls:
            last = self.calls[-1]
            self.calls[-1] = replace(last, launches=last.launches + self._views)
            self._views = 0


def _run(op: OpOverload, args: tuple, kwargs: dict[str, Any]) -> Any:
    if op is torch.ops.aten._local_scalar_dense.default and isinstance(args[0], FakeTensor):
        # The optimiser reads its count of steps. A fake one has no value, and any but zero does.
        return 1.0
    return op(*args, **kwargs)


def _flops(op: OpOverload, args: tuple, kwargs: dict[str, Any], out: Any) -> int:
    packet = op.overloadpacket
    count = shape_wrapper(EXTRA_FLOPS[packet]) if packet in EXTRA_FLOPS else flop_registry.get(packet)
    return int(count(*args, **kwargs, out_val=out)) if count else 0


def _moved_bytes(family: str, inputs: list[Tensor], outputs: list[Tensor]) -> int:
    """Bytes read and written once: the largest view of every storage; a gather reads no more than it returns."""
    made = _largest_views(outputs)
    read = _largest_views(inputs)
    total = sum(made.values())
    for identity, size in read.items():
        if identity in made:
            total += max(0, size - made[identity])
        else:
            total += min(size, sum(made.values())) if family == "gather" else size
    return total


def _largest_views(tensors: list[Tensor]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for tensor in tensors:
        identity = storage_id(tensor)
        sizes[identity] = max(sizes.get(identity, 0), _touched_bytes(tensor))
    return sizes


def _touched_bytes(tensor: Tensor) -> int:
    """Bytes of a view, entries that are repeated by a stride of zero counted once."""
    entries = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        entries *= size if stride else min(size, 1)
    return entries * tensor.element_size()
