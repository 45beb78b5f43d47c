"""One query token per sequence, (batch, key/value heads, query heads of each, capacity, head size, window or 0)."""

from __future__ import annotations

import torch
from torch import Tensor

from frontier.kernels.decode_attention import decode_attention, decode_attention_reference

from ..case import Case, Inputs, Size

# One slot, three heads of a key head, a head size that is no power of two, a window, one larger than the context, all
# contexts in one part, contexts of many tiles.
SIZES = (
    (1, 1, 1, 1, 16, 0),
    (2, 2, 3, 90, 64, 0),
    (3, 1, 8, 40, 80, 17),
    (2, 1, 1, 33, 16, 64),
    (7, 1, 2, 20, 16, 0),
    (2, 1, 3, 171, 128, 0),
    (2, 1, 8, 270, 128, 200),
)


def inputs(size: Size, dtype: torch.dtype) -> Inputs:
    batch, groups, ratio, capacity, width, window = size
    q_BHK = torch.randn(batch, groups * ratio, width).to(dtype)
    k_BSGK, v_BSGK = torch.randn(2, batch, capacity, groups, width).to(dtype)  # as a projection leaves them
    return [q_BHK, k_BSGK.transpose(1, 2), v_BSGK.transpose(1, 2)], [None, window or None]


def decode_attention_of(
    q: Tensor, k: Tensor, v: Tensor, lengths: Tensor | None = None, window: int | None = None
) -> Tensor:
    """Of odd capacities not by the schedule that is its default."""
    other = "stream" if lengths is None else "split"
    return decode_attention(q, k, v, lengths, window, schedule=other if k.shape[2] % 2 else None)


def uneven(size: Size, dtype: torch.dtype) -> Inputs:
    """An empty context, a full one, one of one token, one over the capacity, and any others."""
    tensors, (_, window) = inputs(size, dtype)
    capacity = size[3]
    lengths_B = torch.randint(0, capacity + 1, size[:1], dtype=torch.int32)
    first = torch.tensor([capacity, 0, 1, capacity + 5], dtype=torch.int32)[: size[0]]
    lengths_B[: len(first)] = first
    return tensors, [lengths_B, window]


CASES = [
    Case(
        name=f"decode_attention{suffix}",
        ours=decode_attention_of,
        reference=decode_attention_reference,
        inputs=given,
        sizes=SIZES,
        bounds=((1, 4), (1, 2), (1, 4), (1, 150), (8, 40), (0, 100)),
        backward=False,
    )
    for suffix, given in (("", inputs), ("-lengths", uneven))
]
