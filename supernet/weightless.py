"""Building modules whose parameters hold no memory, and giving them real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


class Borrower:
    """Runs a model on parameters that are not its own, as `torch.func.functional_call` does, but looks up once where
    each belongs: for a small model looking up costs as much as a layer.

    Args:
        model: its parameters hold no memory, and it is nobody else's.
        names: of its parameters, in the order in which they will be lent.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self.model = model
        self._places = [(model.get_submodule(path)._parameters, key) for path, _, key in map(_split, names)]
        self._own = [parameters[key] for parameters, key in self._places]

    def __call__(self, lent: Iterable[Tensor], *inputs: Tensor) -> Tensor:
        """The model's output on these parameters."""
        try:
            for (parameters, key), tensor in zip(self._places, lent, strict=True):
                parameters[key] = tensor  # type: ignore[assignment]
            return self.model(*inputs)
        finally:
            for (parameters, key), own in zip(self._places, self._own, strict=True):
                parameters[key] = own


def _split(name: str) -> tuple[str, str, str]:
    return name.rpartition(".")


def give(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Make `weights` the parameters of a model, by name; each name must be there."""
    for prefix, module in model.named_modules():
        start = f"{prefix}." if prefix else ""
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(weights[start + name])
