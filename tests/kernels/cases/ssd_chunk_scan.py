"""The scan of a state space, (batch, groups, heads of a group, tokens, state size, head size, skip, state)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from frontier.kernels.ssd_chunk_scan import ssd_chunk_scan, ssd_step, ssd_step_reference

from ..case import Case, Inputs, Size
from .linear_attention_chunk import quadratic

# One token, a part of a chunk, chunks and tiles with a rest, a batch of none.
SIZES = (
    (1, 1, 1, 1, 3, 5, 1, 1),
    (2, 2, 3, 37, 5, 20, 1, 1),
    (1, 1, 2, 50, 33, 7, 0, 0),
    (0, 1, 2, 9, 4, 4, 1, 0),
    (1, 1, 4, 45, 20, 33, 1, 0),
)


def inputs(size: Size, dtype: torch.dtype) -> Inputs:
    """Values, keys and queries are parts of one projection, as the operator cuts them."""
    batch, groups, heads_of_group, tokens, state_size, head_size, skip, state = size
    heads = groups * heads_of_group
    inner, shared = heads * head_size, groups * state_size
    x, k, q = torch.randn(batch, tokens, inner + 2 * shared).to(dtype).split((inner, shared, shared), dim=-1)
    tensors = [x.unflatten(-1, (heads, -1)), k.unflatten(-1, (groups, -1)), q.unflatten(-1, (groups, -1))]
    # The operator begins with time steps to 0.1 and rates to 16.
    tensors += [(0.1 * torch.rand(batch, tokens, heads)).to(dtype), -(1 + 15 * torch.rand(heads)).to(dtype)]
    if skip:
        tensors.append(torch.randn(heads).to(dtype))
    if state:
        tensors.append(torch.randn(batch, heads, state_size, head_size).to(dtype))
    return tensors, [bool(skip), bool(state)]


def step_inputs(size: Size, dtype: torch.dtype) -> Inputs:
    *given, state_size, head_size, skip = size
    (x, k, q, time_step, rate, *skips, state), _ = inputs((*given, 2, state_size, head_size, skip, 1), dtype)
    return [x[:, 1], k[:, 1], q[:, 1], time_step[:, 1], rate, *skips, state.float()], [bool(skip), True]


def recurrence(x: Tensor, k: Tensor, q: Tensor, time_step: Tensor, rate: Tensor, **given: Tensor) -> tuple:
    """The definition, token by token."""
    state, skip = given.get("state_BHNP"), given.get("skip_H")
    if state is None:
        state = torch.zeros(x.shape[0], x.shape[2], k.shape[3], x.shape[3], dtype=x.dtype, device=x.device)
    outputs = []
    for t in range(x.shape[1]):
        y, state = ssd_step_reference(x[:, t], k[:, t], q[:, t], time_step[:, t], rate, state, skip)
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def all_at_once(x: Tensor, k: Tensor, q: Tensor, time_step: Tensor, rate: Tensor, **given: Tensor) -> tuple:
    """As attention: the way to train it in plain torch."""
    values = (x * time_step.unsqueeze(-1)).transpose(1, 2)
    log_decay = (rate * time_step).transpose(1, 2)
    y, state = quadratic(q.transpose(1, 2), k.transpose(1, 2), values, log_decay, given.get("state_BHNP"))
    skip = given.get("skip_H")
    return y.transpose(1, 2) + (0 if skip is None else x * skip.unsqueeze(-1)), state


def of_parts(function: Callable[..., Any]) -> Callable[..., tuple[Tensor, Tensor]]:
    """The function, called with what there is; the state in float32 or wider."""

    def called(*given: Any) -> tuple[Tensor, Tensor]:
        *tensors, has_skip, has_state = given
        named = {"state_BHNP": tensors.pop()} if has_state else {}
        if has_skip:
            named["skip_H"] = tensors.pop()
        y, state = function(*tensors, **named)
        return y, state.to(torch.promote_types(state.dtype, torch.float32))

    return called


CASES = [
    Case(
        name="ssd_chunk_scan",
        ours=of_parts(ssd_chunk_scan),
        reference=of_parts(recurrence),
        plain=of_parts(all_at_once),
        inputs=inputs,
        sizes=SIZES,
        bounds=((1, 1), (1, 1), (1, 2), (1, 20), (1, 18), (1, 18), (0, 1), (0, 1)),
    ),
    Case(
        name="ssd_step",
        ours=of_parts(ssd_step),
        reference=of_parts(ssd_step_reference),
        inputs=step_inputs,
        sizes=((1, 1, 1, 3, 5, 1), (2, 2, 3, 20, 33, 0), (0, 1, 1, 4, 4, 1), (1, 2, 2, 33, 17, 1)),
        bounds=((1, 2), (1, 2), (1, 2), (1, 40), (1, 40), (0, 1)),
        backward=False,
    ),
]
