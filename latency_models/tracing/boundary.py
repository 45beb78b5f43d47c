"""The two ends of a section in an autograd graph: what comes before it and what follows it in the model.

What they make counts as memory, as it would if the neighbours had made it, but not as kernel calls. Nothing but the
graph holds on to it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .recorder import Recorder


class Source(torch.autograd.Function):
    """Gives the section its input and lets go of its gradient."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, recorder: Recorder, make: Callable[[], Tensor]) -> Tensor:
        return recorder.aside(make)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, None]:  # type: ignore[override]
        return None, None, None


class Sink(torch.autograd.Function):
    """Takes the section's outputs and gives each a gradient of its size."""

    @staticmethod
    def forward(ctx: Any, recorder: Recorder, *outputs: Tensor) -> Tensor:
        # The outputs' sizes only: whoever keeps the outputs themselves keeps their memory.
        ctx.recorder = recorder
        ctx.makers = [partial(torch.empty, out.shape, dtype=out.dtype, device=out.device) for out in outputs]
        return recorder.aside(lambda: outputs[0].new_empty(()))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return None, *(ctx.recorder.aside(make) for make in ctx.makers)
