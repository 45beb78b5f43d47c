"""Warm start: the shared weights of another training, if they fit."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..errors import InputError
from ..search_space import SearchSpace
from ..supernet import Shape
from ..supernet.checkpoint import load_tensors
from ..supernet.parts import full_parts
from ..supernet.weightless import without_memory

PREFIX = "shared."


def shared_weights(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The shared weights among what a trainer's state holds, by their names in the supernet."""
    return {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}


def read_initial_weights(path: Path, space: SearchSpace, shape: Shape) -> dict[str, Tensor]:
    """The shared weights in a file that `train_supernet` left, by their names in the supernet.

    Raises:
        InputError: the file cannot be read, or is of another space or shape; the first tensor that differs is named.
    """
    found = shared_weights(load_tensors(path))
    with without_memory():
        expected = {
            f"{prefix}{name}": tuple(tensor.shape)
            for prefix, _, module in full_parts(space, shape)
            for name, tensor in module.named_parameters()
        }
    for name in sorted(expected.keys() | found.keys()):
        has = tuple(found[name].shape) if name in found else None
        if has != expected.get(name):
            raise InputError(
                f"initial_weights: a supernet of the same space and task, whose {name} is "
                f"{_told(expected.get(name))}; got {_told(has)} in {path}"
            )
    return found


def _told(sizes: tuple[int, ...] | None) -> str:
    return "not there" if sizes is None else " x ".join(map(str, sizes))
