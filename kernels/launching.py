"""Where a kernel is launched through Triton, and that its operands are what it can read."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

# Decided when triton is imported: what is made for the interpreter cannot be launched on a device, nor the reverse.
INTERPRETED: bool = triton.knobs.runtime.interpret


def by_triton(x: Tensor) -> bool:
    """True on a GPU, and on a CPU where TRITON_INTERPRET=1 was set before triton was imported."""
    return x.is_cuda or (INTERPRETED and x.device.type == "cpu")


def dtype_name(dtype: torch.dtype) -> str:
    """A dtype as it is called, "bfloat16"."""
    return str(dtype).removeprefix("torch.")


def same_place(name: str, **operands: Tensor | None) -> None:
    """Refuse operands that lie on different devices, or of which some are floating point of another dtype.

    Raises:
        ValueError: names the operator and what each operand is.
    """
    given = {key: x for key, x in operands.items() if x is not None}
    first = next(iter(given.values()))
    # Asked first, for saying what differs takes longer.
    if all(x.device == first.device and (x.dtype == first.dtype or not x.is_floating_point()) for x in given.values()):
        return
    devices = {x.device for x in given.values()}
    dtypes = {x.dtype for x in given.values() if x.is_floating_point()}
    if len(devices) > 1 or len(dtypes) > 1:
        said = ", ".join(f"{key} {dtype_name(x.dtype)} on {x.device}" for key, x in given.items())
        raise ValueError(f"{name} takes operands of one dtype on one device; got {said}")
