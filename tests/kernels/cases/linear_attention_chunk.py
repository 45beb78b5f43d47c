"""Linear attention with decay, (batch, groups, heads of a group, tokens, key size, value size, decay, state).

The decay is none, slow, fast, or so fast here and there that a running sum of it forgets what a token adds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from frontier.kernels.launching import INTERPRETED
from frontier.kernels.linear_attention_chunk import (
    linear_attention_chunk,
    linear_attention_recurrence,
    linear_attention_step,
    linear_attention_step_reference,
)

from ..case import Case, Inputs, Size

NONE, SLOW, FAST, MIXED = range(4)
# Plain torch, which a CPU takes, loses digits where a running sum of decays is large.
STRONGEST = MIXED if INTERPRETED or torch.cuda.is_available() else FAST
# One token, a part of a chunk, chunks and tiles with a rest, groups of heads, and a batch of none.
SIZES = (
    (1, 1, 1, 1, 3, 5, SLOW, 1),
    (2, 2, 3, 37, 5, 20, STRONGEST, 1),
    (1, 2, 1, 33, 33, 16, NONE, 0),
    (1, 1, 2, 50, 16, 7, FAST, 0),
    (0, 2, 1, 9, 4, 4, SLOW, 1),
    (1, 1, 4, 63, 20, 33, SLOW, 1),
)
BOUNDS = ((1, 1), (1, 1), (1, 2), (1, 20), (1, 18), (1, 18), (NONE, STRONGEST), (0, 1))


def log_decay(kind: int, *shape: int) -> Tensor:
    strong = torch.where(torch.rand(shape) < 0.2, 300.0, 0.02)
    return -torch.rand(shape) * {SLOW: 0.05, FAST: 4.0, MIXED: strong}[kind]


def inputs(size: Size, dtype: torch.dtype) -> Inputs:
    """Heads lie between tokens and numbers, as projections leave them. Decays are not of the factors' dtype."""
    batch, groups, heads_of_group, tokens, keys, values, decay, state = size
    heads = groups * heads_of_group
    q, k = torch.randn(2, batch, tokens, groups, keys).transpose(2, 3).to(dtype)
    tensors = [q, k, torch.randn(batch, tokens, heads, values).transpose(1, 2).to(dtype)]
    if decay:
        tensors.append(log_decay(decay, batch, tokens, heads).transpose(1, 2))
    if state:
        tensors.append(torch.randn(batch, heads, keys, values).to(dtype))
    return tensors, [bool(decay), bool(state)]


def step_inputs(size: Size, dtype: torch.dtype) -> Inputs:
    *given, keys, values, decay = size
    tensors, _ = inputs((*given, 2, keys, values, decay, 1), dtype)
    *tokens, state = tensors
    return [*(x[:, :, 1] for x in tokens), state.float()], [bool(decay), True]


def of_parts(function: Callable[..., Any]) -> Callable[..., tuple[Tensor, Tensor]]:
    """The function, called with what there is; the state in float32 or wider."""

    def called(q: Tensor, k: Tensor, v: Tensor, *given: Any) -> tuple[Tensor, Tensor]:
        *parts, decays, has_state = given
        decay = parts.pop(0) if decays else None
        y, state = function(q, k, v, decay, **({"state_BHKV": parts.pop(0)} if has_state else {}))
        return y, state.to(torch.promote_types(state.dtype, torch.float32))

    return called


def quadratic(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None, state_BHKV: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """All tokens at once, as attention: the way to train it in plain torch."""
    q, k = (part.repeat_interleave(v.shape[1] // part.shape[1], dim=1) for part in (q, k))
    kept = torch.zeros_like(v[..., 0]) if log_decay is None else log_decay.cumsum(-1)
    weights = (q @ k.transpose(-1, -2)).tril() * (kept.unsqueeze(-1) - kept.unsqueeze(-2)).tril().exp()
    y = weights.to(v.dtype) @ v
    state = (k * (kept[..., -1:] - kept).exp().unsqueeze(-1)).transpose(-1, -2).to(v.dtype) @ v
    if state_BHKV is None:
        return y, state
    y = y + (q * kept.exp().unsqueeze(-1)).to(v.dtype) @ state_BHKV.to(v.dtype)
    return y, state + kept[..., -1, None, None].exp() * state_BHKV


CASES = [
    Case(
        name="linear_attention_chunk",
        ours=of_parts(partial(linear_attention_chunk, chunk=16)),
        reference=of_parts(linear_attention_recurrence),
        plain=of_parts(quadratic),
        inputs=inputs,
        sizes=SIZES,
        bounds=BOUNDS,
    ),
    Case(
        name="linear_attention_step",
        ours=of_parts(linear_attention_step),
        reference=of_parts(linear_attention_step_reference),
        inputs=step_inputs,
        sizes=((1, 1, 1, 3, 5, SLOW), (2, 2, 3, 20, 33, NONE), (0, 1, 1, 4, 4, FAST), (1, 2, 2, 33, 17, FAST)),
        bounds=((1, 2), (1, 2), (1, 2), (1, 40), (1, 40), (NONE, STRONGEST)),
        backward=False,
    ),
]
