"""A decoding state with a given number of cached tokens, without decoding them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def fill(state: Any, position: int) -> None:
    """Move a fresh state, in place, to `position` tokens: random contents, every position counter set.

    Time and memory depend on the sizes and the position only, so the contents need not come from real tokens.
    """
    if isinstance(state, dict):
        for name, value in state.items():
            if name == "position":
                state[name] = position
            else:
                fill(value, position)
    elif isinstance(state, (list, tuple)):
        for value in state:
            fill(value, position)
    elif isinstance(state, Tensor) and state.is_floating_point():
        state.normal_()


def rewind(state: Any, position: int) -> None:
    """Set the position counters back after a step, so that the same step can be timed again."""
    if isinstance(state, dict):
        if "position" in state:
            state["position"] = position
        for value in state.values():
            if not isinstance(value, (Tensor, int)):
                rewind(value, position)
    elif isinstance(state, (list, tuple)):
        for value in state:
            rewind(value, position)


def tensors(state: Any) -> Iterator[Tensor]:
    """Every tensor of a state."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict):
        for value in state.values():
            yield from tensors(value)
    elif isinstance(state, (list, tuple)):
        for value in state:
            yield from tensors(value)


def state_bytes(state: Any) -> int:
    """Bytes of the entries of a state's tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors(state))


def storage_bytes(state: Any) -> int:
    """Bytes of the memory a state keeps alive, which is more than `state_bytes` where it holds views."""
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors(state)}
    return sum(storages.values())


@torch.no_grad()
def cached_state(module: Any, batch: int, seq_len: int, one_token: Any) -> Any:
    """The state of a block or a model after `seq_len` tokens: filled to one less, then one real step.

    The last step is made so that the state is what decoding leaves behind (a view of a larger buffer, for instance)
    rather than what `init_state` allocates.
    """
    state = module.init_state(batch)
    if seq_len == 0:
        return state
    fill(state, seq_len - 1)
    _, state = module.step(one_token, state)
    return state
