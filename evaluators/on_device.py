"""Where a worker computes and how precisely: its device, a supernet that lives there, and mixed precision."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..search_space import Architecture, SearchSpace
from ..supernet import Shape, Supernet

Precision = Literal["float32", "bfloat16"]


def device_of(use_gpu: bool) -> str:
    """The device of this process: the GPU that Ray gave it, or the CPU."""
    return "cuda" if use_gpu else "cpu"


def usual_precision(use_gpu: bool) -> Precision:
    """What is computed with where nothing is said: bfloat16 where it is faster."""
    return "bfloat16" if use_gpu else "float32"


def computing_in(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """Within it, operators that may use `precision` do; weights and sums stay in float32.

    Casts are not kept: every subnet's slices are new tensors, so none would be found again.
    """
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device, getattr(torch, precision), cache_enabled=False)


class GpuSupernet(Supernet):
    """A supernet whose weights lie on the current GPU, and whose models find their buffers there."""

    def __init__(
        self, space: SearchSpace, shape: Shape, seed: int = 0, shared: Mapping[str, Tensor] | None = None
    ) -> None:
        super().__init__(space, shape, seed, shared)
        self.shared = {
            name: tensor.detach().to("cuda").requires_grad_(tensor.requires_grad)
            for name, tensor in self.shared.items()
        }

    def extract(self, architecture: Architecture) -> nn.Module:
        return super().extract(architecture).to("cuda")

    def _build_skeleton(self, architecture: Architecture) -> nn.Module:
        model = super()._build_skeleton(architecture)
        for module in model.modules():
            # Not `Module.to`: the parameters hold no memory that could be moved.
            for name, buffer in module._buffers.items():
                module._buffers[name] = None if buffer is None else buffer.to("cuda")
        return model
