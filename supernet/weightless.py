"""Building modules whose parameters hold no memory, and giving them real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode

# What modules fill their parameters with when they are made, which would be work for nothing.
INITIALISERS = {
    getattr(nn.init, name)
    for name in ("uniform_", "normal_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "ones_", "zeros_")
} | {getattr(Tensor, name) for name in ("uniform_", "normal_", "zero_", "fill_")}


class Unfilled(TorchFunctionMode):
    """Tensors without memory, on the meta device or fake, are left as they are by what would fill them."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        if func in INITIALISERS:
            tensor = args[0] if args else (kwargs or {})["tensor"]
            if tensor.is_meta or isinstance(tensor, FakeTensor):
                return tensor
        return func(*args, **(kwargs or {}))


@contextmanager
def without_memory() -> Iterator[None]:
    """Modules built here have parameters that hold no memory. Their buffers are real, and fit for training even when
    the module is first needed in the middle of an evaluation."""
    with torch.inference_mode(False), torch.device("meta"), Unfilled():
        yield


def give(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Make `weights` the parameters of a model, by name; each name must be there."""
    for prefix, module in model.named_modules():
        start = f"{prefix}." if prefix else ""
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(weights[start + name])
