"""The memory that a call writes into."""

from __future__ import annotations

from torch import Tensor
from torch.utils._pytree import tree_leaves

from .replay import Replay


class Written:
    """The tensors a call writes into, if its schema says it does, and what they held before."""

    def __init__(self, replay: Replay) -> None:
        self._originals = [(tensor, tensor.clone()) for tensor in _written(replay)]

    def restore(self) -> None:
        """Put back what was there. An operator that writes into its argument would run away over many replays."""
        for tensor, original in self._originals:
            tensor.copy_(original)


def _written(replay: Replay) -> list[Tensor]:
    found: list[Tensor] = []
    for declared, value in zip(replay.op._schema.arguments, replay.args, strict=False):
        if declared.alias_info is not None and declared.alias_info.is_write:
            found.extend(leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))
    return found
