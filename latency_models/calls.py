"""A kernel call as a value: what was launched, on what, and the canonical JSON from which it can be launched again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

KEY_LENGTH = 16


@dataclass(frozen=True)
class KernelCall:
    """One launch of one kernel.

    `op` is the dispatched overload ("aten.mm.default"), `arguments` canonical JSON (see `encode`), `flops` counts
    multiplications and additions, `bytes` what is read and written once.
    """

    op: str
    family: str
    arguments: str
    flops: int
    bytes: int

    @cached_property
    def key(self) -> str:
        """Content hash of operator and arguments: 16 hexadecimal digits."""
        return hashlib.sha256(f"{self.op} {self.arguments}".encode()).hexdigest()[:KEY_LENGTH]


@dataclass(frozen=True)
class LayerCall:
    """A kernel call and where in the model it stands.

    `launches` counts the operators dispatched for it: the kernel itself and the views made since the kernel before.
    `reads` and `writes` are the memory it touches: the number of a storage in its trace, and how many bytes of it.
    """

    layer: str
    call: KernelCall
    launches: int
    reads: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    writes: tuple[tuple[int, int], ...] = field(default=(), compare=False)


def dtype_name(dtype: torch.dtype) -> str:
    """A type as it is written here: "bfloat16"."""
    return str(dtype).removeprefix("torch.")


def encode(args: tuple, kwargs: dict[str, Any]) -> str:
    """Arguments of an operator as canonical JSON. A tensor becomes its shape, strides and dtype."""
    plain = {
        "args": [_encode(value) for value in args],
        "kwargs": {name: _encode(value) for name, value in kwargs.items()},
    }
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def _encode(value: Any) -> Any:
    if isinstance(value, Tensor):
        return {
            "tensor": list(value.shape),
            "stride": _strides(value),
            "dtype": dtype_name(value.dtype),
        }
    if isinstance(value, (list, tuple)):
        return [_encode(item) for item in value]
    if isinstance(value, float):
        # JSON has no infinity and no NaN, and masks are full of them.
        return {"float": repr(value)}
    if isinstance(value, (torch.dtype, torch.memory_format, torch.layout)):
        return {"torch": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"device": True}
    assert value is None or isinstance(value, (bool, int, str)), f"no JSON form for {type(value)}"
    return value


def _strides(tensor: Tensor) -> list[int]:
    """Strides; axes of length one get those of a dense tensor: theirs address nothing and differ in fake tensors."""
    strides = list(tensor.stride())
    for axis in reversed(range(tensor.dim())):
        if tensor.shape[axis] == 1:
            inner = axis + 1
            strides[axis] = strides[inner] * max(1, tensor.shape[inner]) if inner < tensor.dim() else 1
    return strides


def storage_id(tensor: Tensor) -> int:
    """The identity of the memory behind a tensor, shared by all its views. Valid while the memory is alive."""
    return tensor.untyped_storage()._cdata
