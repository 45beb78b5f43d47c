"""What torch.autocast asks of operands, for functions that refuse operands of several dtypes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

NARROWED = (torch.float32, torch.float16, torch.bfloat16)


def autocasted(*operands: Tensor | None, dtype: torch.dtype | None = None) -> tuple[Any, ...]:
    """Where autocast is on: floating-point operands in `dtype`, by default that of autocast; float64 stays.

    Where it is off: the operands as they are. The first may not be missing.
    """
    assert operands[0] is not None
    device = operands[0].device.type
    if not torch.is_autocast_enabled(device):
        return operands
    wanted = dtype or torch.get_autocast_dtype(device)
    return tuple(x if x is None or x.dtype not in NARROWED else x.to(wanted) for x in operands)
