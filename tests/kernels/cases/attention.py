"""Attention by torch's kernels: (batch, key/value heads, query heads of each, queries, keys before them, head size,
window or 0)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from frontier.kernels.attention import attention, attention_reference
from frontier.kernels.attention_masks import Sight, documents_of, sees

from ..case import Case, Inputs, Size

# Two tokens, three heads of a key head, a head size that is no power of two, a window, one larger than the context, the
# last tokens of a context, more than a band of queries.
SIZES = (
    (1, 1, 1, 2, 0, 16, 0),
    (2, 2, 3, 33, 0, 64, 0),
    (1, 1, 8, 40, 0, 80, 17),
    (2, 1, 1, 20, 0, 16, 64),
    (2, 2, 1, 2, 50, 16, 9),
    (2, 1, 3, 7, 40, 128, 0),
    (1, 2, 2, 150, 0, 16, 30),
    (1, 1, 3, 130, 45, 16, 50),
)
BOUNDS = ((1, 2), (1, 2), (1, 3), (8, 90), (0, 60), (8, 40), (0, 70))


def inputs(size: Size, dtype: torch.dtype) -> Inputs:
    """Heads as a projection leaves them."""
    batch, groups, ratio, queries, past, width, window = size
    q = torch.randn(batch, queries, groups * ratio, width)
    k, v = torch.randn(2, batch, past + queries, groups, width)
    return [x.to(dtype).transpose(1, 2) for x in (q, k, v)], [window or None, None, None, True]


def with_documents(size: Size, dtype: torch.dtype) -> Inputs:
    """Documents in any order, as many queries as keys."""
    tensors, (window, *_) = inputs((*size[:4], 0, *size[5:]), dtype)
    return tensors, [window, torch.randint(0, 3, (size[0], size[3])), None, True]


def packed(size: Size, dtype: torch.dtype) -> Inputs:
    """One row of documents, the third of them empty."""
    tensors, (window, *_) = inputs((1, *size[1:4], 0, *size[5:]), dtype)
    tokens = size[3]
    bounds = [0, tokens // 3, tokens // 2, tokens // 2, tokens]
    return tensors, [window, None, torch.tensor(bounds, dtype=torch.int32), True]


def ours(
    q: Tensor, k: Tensor, v: Tensor, window: int | None, documents: Tensor | None, cu: Tensor | None, causal: bool
) -> Tensor:
    return attention(q, k, v, causal=causal, window=window, documents_BT=documents, cu_seqlens=cu)


def by_torch(
    q: Tensor, k: Tensor, v: Tensor, window: int | None, documents: Tensor | None, cu: Tensor | None, causal: bool
) -> Tensor:
    """The formula in float64, and in another dtype torch's own attention with all of a mask: its kernels are used here,
    and the gradients of its fused one are off by a little more than those of the formula."""
    if q.dtype == torch.float64:
        return attention_reference(q, k, v, causal=causal, window=window, documents_BT=documents, cu_seqlens=cu)
    documents = documents if cu is None else documents_of(cu, q.shape[2])
    seen = sees(q, q.shape[2], k.shape[2], Sight(causal, window, documents))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)


def open_sight(size: Size, dtype: torch.dtype) -> Inputs:
    tensors, _ = inputs(size, dtype)
    return tensors, [None, None, None, False]


def case(name: str, given: Callable[[Size, torch.dtype], Inputs]) -> Case:
    return Case(
        name=name,
        ours=ours,
        reference=by_torch,
        inputs=given,
        # A document of one key: its gradient is zero, to the bit in one kernel of torch and a rounding in another.
        sizes=tuple(size for size in SIZES if given is not packed or size[3] > 2),
        bounds=BOUNDS,
        fits=lambda size: size[-1] != 1,
        triton=False,
    )


CASES = [
    case("attention", inputs),
    case("attention-open", open_sight),
    case("attention-documents", with_documents),
    case("attention-packed", packed),
]
