"""Which keys a query sees, as booleans and as FlexAttention's blocks.

T queries, S keys. Query i stands at position i + S - T, so that the last query stands at the last key (the causal
mask is aligned at its bottom right). It sees the keys up to its position, with a window the last so many of them; with
documents, those of its own document alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

BLOCK = 128


class Sight(NamedTuple):
    """What is said about who sees whom."""

    causal: bool = True
    window: int | None = None
    """At least one; None where no key is out of a window's reach."""

    documents_BT: Tensor | None = None
    """Whole numbers, one for each token, equal within a document. Only where there are as many queries as keys."""


def sees_by_position(queries: int, keys: int, causal: bool, window: int | None, device: torch.device) -> Tensor:
    """(T, S) booleans, without documents."""
    position_T1 = torch.arange(keys - queries, keys, device=device).unsqueeze(1)
    distance_TS = position_T1 - torch.arange(keys, device=device)
    if not causal:
        return torch.ones_like(distance_TS, dtype=torch.bool)
    return distance_TS >= 0 if window is None else (distance_TS >= 0) & (distance_TS < window)


@lru_cache(maxsize=32)
def _kept(queries: int, keys: int, causal: bool, window: int | None, device: torch.device) -> Tensor:
    # One made in inference mode could not be saved for a backward later.
    with torch.inference_mode(False):
        return sees_by_position(queries, keys, causal, window, device)


def kept_by_position(like: Tensor, queries: int, keys: int, causal: bool, window: int | None) -> Tensor:
    """The same, made once for each shape, except while a graph is traced: what is traced must not outlive it."""
    make = _kept if is_real(like) else sees_by_position
    return make(queries, keys, causal, window, like.device)


def is_real(x: Tensor) -> bool:
    """False while a graph is traced, or where a tensor is fake."""
    return type(x) is Tensor and not torch.compiler.is_compiling()


def sees(like: Tensor, queries: int, keys: int, sight: Sight) -> Tensor:
    """(T, S) booleans, or (B, 1, T, T) with documents."""
    seen_TS = kept_by_position(like, queries, keys, sight.causal, sight.window)
    if sight.documents_BT is None:
        return seen_TS
    document = sight.documents_BT
    return (document[:, None, :, None] == document[:, None, None, :]) & seen_TS


def documents_of(cu_seqlens: Tensor, tokens: int) -> Tensor:
    """(1, T) document of every token, of the boundaries at which documents begin and the last one ends."""
    token_T = torch.arange(tokens, device=cu_seqlens.device, dtype=cu_seqlens.dtype)
    return torch.searchsorted(cu_seqlens, token_T, right=True, out_int32=True).unsqueeze(0)


def block_mask(like: Tensor, queries: int, keys: int, sight: Sight) -> BlockMask:
    """FlexAttention's blocks from their corners: no (T, S) mask is made."""
    if sight.documents_BT is None and is_real(like):
        return _kept_blocks(queries, keys, sight, like.device)
    return _blocks(queries, keys, sight, like.device)


@lru_cache(maxsize=32)
def _kept_blocks(queries: int, keys: int, sight: Sight, device: torch.device) -> BlockMask:
    with torch.inference_mode(False):
        return _blocks(queries, keys, sight, device)


def _blocks(queries: int, keys: int, sight: Sight, device: torch.device) -> BlockMask:
    """A block is left out if no query of it sees a key of it, and whole if each sees all."""
    first_Q1, first_K = (torch.arange(0, size, BLOCK, device=device) for size in (queries, keys))
    first_Q1 = first_Q1.unsqueeze(1)
    last_Q1, last_K = first_Q1 + BLOCK - 1, first_K + BLOCK - 1
    whole_QK = (last_Q1 < queries) & (last_K < keys)
    some_QK = torch.ones_like(whole_QK)
    if sight.causal:
        shift, window = keys - queries, sight.window or keys
        some_QK &= (first_K <= last_Q1 + shift) & (last_K > first_Q1 + shift - window)
        whole_QK &= (last_K <= first_Q1 + shift) & (first_K > last_Q1 + shift - window)
    some_BQK, whole_BQK = some_QK.unsqueeze(0), whole_QK.unsqueeze(0)
    if sight.documents_BT is not None:
        least_BQ, most_BQ = _extremes(sight.documents_BT)
        some_BQK = some_BQK & (least_BQ[:, :, None] <= most_BQ[:, None]) & (most_BQ[:, :, None] >= least_BQ[:, None])
        one_BQ = least_BQ == most_BQ
        whole_BQK = whole_BQK & one_BQ[:, :, None] & one_BQ[:, None] & (least_BQ[:, :, None] == least_BQ[:, None])
    return BlockMask.from_kv_blocks(
        *_listed(some_BQK & ~whole_BQK),
        *_listed(whole_BQK),
        BLOCK_SIZE=BLOCK,
        mask_mod=_rule(queries, keys, sight, device),
        seq_lengths=(queries, keys),
    )


def _extremes(documents_BT: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest document of every block of tokens."""
    padding = -documents_BT.shape[1] % BLOCK
    last_B1 = documents_BT[:, -1:]
    blocks = torch.cat((documents_BT, last_B1.expand(-1, padding)), dim=1).unflatten(1, (-1, BLOCK))
    return blocks.amin(dim=2), blocks.amax(dim=2)


def _listed(chosen_BQK: Tensor) -> tuple[Tensor, Tensor]:
    """How many blocks of keys every block of queries has, and which: theirs first."""
    chosen_B1QK = chosen_BQK.to(torch.int32).unsqueeze(1)
    order = chosen_B1QK.argsort(dim=3, descending=True, stable=True)
    return chosen_B1QK.sum(dim=3, dtype=torch.int32), order.to(torch.int32)


def _rule(queries: int, keys: int, sight: Sight, device: torch.device) -> Callable[..., Tensor]:
    """Within a block. Sizes are tensors: numbers would be compiled in, and compiled again for every other."""
    shift, window = (torch.full((), size, device=device) for size in (keys - queries, sight.window or keys))
    document_BT = sight.documents_BT

    def causal(b: Tensor, h: Tensor, i_q: Tensor, i_k: Tensor) -> Tensor:
        distance = i_q + shift - i_k
        return (distance >= 0) & (distance < window)

    def anywhere(b: Tensor, h: Tensor, i_q: Tensor, i_k: Tensor) -> Tensor:
        return i_k >= 0

    by_position = causal if sight.causal else anywhere
    if document_BT is None:
        return by_position

    def in_document(b: Tensor, h: Tensor, i_q: Tensor, i_k: Tensor) -> Tensor:
        return by_position(b, h, i_q, i_k) & (document_BT[b, i_q] == document_BT[b, i_k])

    return in_document
