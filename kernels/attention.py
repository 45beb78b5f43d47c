"""Grouped-query attention by torch's own kernels, named: causal, in a sliding window, over packed documents.

B batch, H query heads, G key/value heads, T queries, S keys, K head size, V size of a value head. Where there are fewer
queries than keys the last query stands at the last key (`attention_masks` says who sees whom).

On a CPU a window is attended to in blocks of queries, each with the keys in its reach, and documents that are packed
one after another by themselves. On a GPU what a kernel's causal flag cannot say goes to FlexAttention, whose masks are
blocks; a (T, S) mask is made only for a backend that was pinned and takes nothing else.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses import FakeTensor
from torch.backends import cuda
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right
from torch.nn.attention.flex_attention import flex_attention

from .attention_masks import Sight, block_mask, documents_of, kept_by_position, sees
from .autocast import autocasted
from .launching import same_place

Backend = Literal["flash", "cudnn", "efficient", "math", "flex"]

OF_TORCH: dict[str, SDPBackend] = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
NAMES = {backend.value: name for name, backend in OF_TORCH.items()}
WHY_NOT = {
    "flash": cuda.can_use_flash_attention,
    "cudnn": cuda.can_use_cudnn_attention,
    "efficient": cuda.can_use_efficient_attention,
}
FLEX_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
FLEX_LEAST_WIDTH = 16
# A search compiles for every number of heads, head size and dtype that it meets.
FLEX_RECOMPILES = 4096
# Queries of a CPU's window that are attended to together.
BAND = 64


def attention_reference(
    q_BHTK: Tensor,
    k_BGSK: Tensor,
    v_BGSV: Tensor,
    *,
    causal: bool = True,
    window: int | None = None,
    documents_BT: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """By the formula."""
    ratio, (queries, width), keys = q_BHTK.shape[1] // k_BGSK.shape[1], q_BHTK.shape[2:], k_BGSK.shape[2]
    documents_BT = documents_BT if cu_seqlens is None else documents_of(cu_seqlens, queries)
    seen = sees(q_BHTK, queries, keys, Sight(causal, window, documents_BT))
    k_BHSK, v_BHSV = (x.repeat_interleave(ratio, dim=1) for x in (k_BGSK, v_BGSV))
    score_BHTS = q_BHTK @ k_BHSK.transpose(2, 3) * (width**-0.5 if scale is None else scale)
    return score_BHTS.masked_fill(~seen, -torch.inf).softmax(dim=3) @ v_BHSV


def attention(
    q_BHTK: Tensor,
    k_BGSK: Tensor,
    v_BGSV: Tensor,
    *,
    causal: bool = True,
    window: int | None = None,
    documents_BT: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    scale: float | None = None,
    backend: Backend | None = None,
) -> Tensor:
    """Attend, (B, H, T, K) with (B, G, S, K) and (B, G, S, V) to (B, H, T, V). Backward is that of torch.

    Args:
        causal: a query sees the keys up to its position, which is i + S - T for query i.
        window: only the last so many of them.
        documents_BT: whole numbers; a query sees the keys of its own document alone. Needs T = S.
        cu_seqlens: in place of them for B = 1, where documents begin and where the last one ends, rising, in int32.
        scale: of the scores; by default one over the root of the head size.
        backend: what must run; by default the first that can, as `attention_backend` says.

    Raises:
        ValueError: the shapes, dtypes or devices do not fit together, or the backend cannot run on them.
    """
    q_BHTK, k_BGSK, v_BGSV = autocasted(q_BHTK, k_BGSK, v_BGSV)
    _check(q_BHTK, k_BGSK, v_BGSV, causal, window, documents_BT, cu_seqlens)
    if cu_seqlens is not None and not q_BHTK.is_cuda:
        return _one_by_one(q_BHTK, k_BGSK, v_BGSV, cu_seqlens, causal, window, scale, backend)
    k_BGSK, v_BGSV, sight = _in_reach(q_BHTK, k_BGSK, v_BGSV, causal, window, documents_BT, cu_seqlens)
    if backend is None and (not q_BHTK.is_cuda or _flag(q_BHTK, k_BGSK, sight) is not None):
        return _by_sdpa(q_BHTK, k_BGSK, v_BGSV, sight, scale, None)
    chosen = _chosen(q_BHTK, k_BGSK, v_BGSV, sight, backend)
    if chosen == "flex":
        return _by_flex(q_BHTK, k_BGSK, v_BGSV, sight, scale)
    with sdpa_kernel(OF_TORCH[chosen]):
        return _by_sdpa(q_BHTK, k_BGSK, v_BGSV, sight, scale, chosen)


def attention_backend(
    q_BHTK: Tensor,
    k_BGSK: Tensor,
    v_BGSV: Tensor,
    *,
    causal: bool = True,
    window: int | None = None,
    documents_BT: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    backend: Backend | None = None,
) -> Backend:
    """The name of what `attention` runs for these arguments, on this device, under torch's switches as they are now.

    Real tensors only: what runs depends on their strides, and on whether they ask for gradients.

    Raises:
        ValueError: as `attention`.
    """
    q_BHTK, k_BGSK, v_BGSV = autocasted(q_BHTK, k_BGSK, v_BGSV)
    _check(q_BHTK, k_BGSK, v_BGSV, causal, window, documents_BT, cu_seqlens)
    k_BGSK, v_BGSV, sight = _in_reach(q_BHTK, k_BGSK, v_BGSV, causal, window, documents_BT, cu_seqlens)
    return _chosen(q_BHTK, k_BGSK, v_BGSV, sight, backend)


def _in_reach(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: bool,
    window: int | None,
    documents: Tensor | None,
    cu_seqlens: Tensor | None,
) -> tuple[Tensor, Tensor, Sight]:
    """Keys and values that some query sees, and what is left to say about them."""
    queries, keys = q.shape[2], k.shape[2]
    documents = documents if cu_seqlens is None else documents_of(cu_seqlens, queries)
    if window is not None and queries + window - 1 < keys:
        first = keys - (queries + window - 1)
        k, v, keys = k[:, :, first:], v[:, :, first:], keys - first
    window = None if window is None or window >= keys else window
    return k, v, Sight(causal and queries > 1, window if queries > 1 else None, documents)


def _flag(q: Tensor, k: Tensor, sight: Sight) -> bool | None:
    """The causal flag with which torch needs no mask, if there is one. Its mask is aligned at the top left."""
    if sight.documents_BT is not None or sight.window is not None or (sight.causal and q.shape[2] != k.shape[2]):
        return None
    return sight.causal


def _by_sdpa(q: Tensor, k: Tensor, v: Tensor, sight: Sight, scale: float | None, pinned: str | None) -> Tensor:
    grouped = q.shape[1] != k.shape[1]
    flag = _flag(q, k, sight)
    if flag is not None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=flag, scale=scale, enable_gqa=grouped)
    if sight.window and sight.documents_BT is None and not q.is_cuda:
        return _in_bands(q, k, v, sight.window, scale, grouped)
    corner = pinned == "flash" and q.is_cuda
    mask = causal_lower_right(q.shape[2], k.shape[2]) if corner else sees(q, q.shape[2], k.shape[2], sight)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=grouped)


def _in_bands(q: Tensor, k: Tensor, v: Tensor, window: int, scale: float | None, grouped: bool) -> Tensor:
    """Blocks of queries, each with the keys that one of them sees: work grows with T times the window."""
    queries, shift = q.shape[2], k.shape[2] - q.shape[2]
    rows = min(queries, BAND)
    band = kept_by_position(q, rows, rows + window - 1, True, window)
    parts = []
    for first in range(0, queries, rows):
        last = min(first + rows, queries)
        begin = first + shift - window + 1
        seen = band[: last - first, max(-begin, 0) : last - first + window - 1]
        near = slice(max(begin, 0), last + shift)
        near_k, near_v = k[:, :, near], v[:, :, near]
        parts.append(
            F.scaled_dot_product_attention(
                q[:, :, first:last], near_k, near_v, attn_mask=seen, scale=scale, enable_gqa=grouped
            )
        )
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def _one_by_one(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens: Tensor,
    causal: bool,
    window: int | None,
    scale: float | None,
    backend: Backend | None,
) -> Tensor:
    """A CPU has the boundaries at hand. What lies before the first or past the last is a document too."""
    tokens = q.shape[2]
    inner = [bound for bound in cu_seqlens.tolist() if 0 < bound < tokens]
    parts = []
    for first, last in zip([0, *inner], [*inner, tokens], strict=True):
        if first < last or not tokens:
            own = (x[:, :, first:last] for x in (q, k, v))
            parts.append(attention(*own, causal=causal, window=window, scale=scale, backend=backend))
    return torch.cat(parts, dim=2)


def _by_flex(q: Tensor, k: Tensor, v: Tensor, sight: Sight, scale: float | None) -> Tensor:
    masked = sight.causal or sight.documents_BT is not None
    mask = block_mask(q, q.shape[2], k.shape[2], sight) if masked else None
    given: dict[str, Any] = {"block_mask": mask, "scale": scale, "enable_gqa": q.shape[1] != k.shape[1]}
    if torch.compiler.is_compiling():
        return flex_attention(q, k, v, **given)
    with torch._dynamo.config.patch(recompile_limit=FLEX_RECOMPILES, accumulated_recompile_limit=FLEX_RECOMPILES):
        return _compiled_flex()(q, k, v, **given)


@lru_cache
def _compiled_flex() -> Any:
    """With fullgraph a compilation too many is an error; without, scores would be written out in full, in silence."""
    return torch.compile(flex_attention, fullgraph=True)


def _chosen(q: Tensor, k: Tensor, v: Tensor, sight: Sight, wanted: Backend | None) -> Backend:
    if wanted not in (None, "flex", *OF_TORCH):
        raise ValueError(f"a backend of attention is one of {', '.join((*OF_TORCH, 'flex'))}; got {wanted!r}")
    if isinstance(q, FakeTensor) or q.device.type == "meta":
        raise ValueError("the backend of attention is known of real tensors only; got a fake one")
    chosen = _first_that_can(q, k, v, sight, wanted)
    if chosen is None:
        raise ValueError(
            f"attention cannot run on {wanted or 'any backend'}: {_why_not(q, k, v, sight, wanted)}; got {q.dtype}"
            f" on {q.device}, query {tuple(q.shape)}, keys {tuple(k.shape)} and values {tuple(v.shape)}"
        )
    return chosen


def _first_that_can(q: Tensor, k: Tensor, v: Tensor, sight: Sight, wanted: Backend | None) -> Any:
    """On a GPU, what no causal flag says: flash where only the corner differs, else FlexAttention, else with a mask."""
    flag = _flag(q, k, sight)
    if wanted != "flex" and (flag is not None or not q.is_cuda):
        return _choice_of_torch(q, k, v, sight, flag, wanted)
    only_a_corner = sight.window is None and sight.documents_BT is None
    if wanted in (None, "flash") and only_a_corner and cuda.can_use_flash_attention(_params(q, k, v, None)):
        return "flash"
    if wanted in (None, "flex") and _why_not_flex(q, v) is None:
        return "flex"
    return None if wanted in ("flash", "flex") else _choice_of_torch(q, k, v, sight, flag, wanted)


def _choice_of_torch(q: Tensor, k: Tensor, v: Tensor, sight: Sight, flag: bool | None, wanted: Backend | None) -> Any:
    mask = None if flag is not None else _as_masked(q, k, sight)
    pin: AbstractContextManager = nullcontext() if wanted is None else sdpa_kernel(OF_TORCH[wanted])
    with pin:
        try:
            chosen = torch._fused_sdp_choice(q, k, v, mask, 0.0, bool(flag), enable_gqa=q.shape[1] != k.shape[1])
        except RuntimeError:  # so torch says that none is left
            return None
    name = NAMES.get(chosen)
    return name if wanted in (None, name) else None


def _as_masked(q: Tensor, k: Tensor, sight: Sight) -> Tensor:
    """A mask that torch chooses by: on a GPU as it is, for its strides matter."""
    if q.is_cuda:
        return sees(q, q.shape[2], k.shape[2], sight)
    return torch.ones(1, 1, dtype=torch.bool, device=q.device).expand(q.shape[2], k.shape[2])


def _params(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool = False) -> cuda.SDPAParams:
    return cuda.SDPAParams(q, k, v, mask, 0.0, causal, q.shape[1] != k.shape[1])


def _why_not(q: Tensor, k: Tensor, v: Tensor, sight: Sight, wanted: str | None) -> str:
    if wanted == "flex":
        return _why_not_flex(q, v) or "it can"
    if not q.is_cuda:
        return f"a {q.device.type} has flash and math"
    flag = _flag(q, k, sight)
    if wanted == "flash" and flag is None and (sight.window or sight.documents_BT is not None):
        return "it takes neither windows nor documents"
    if wanted not in WHY_NOT:
        return "torch says no more"
    mask = _as_masked(q, k, sight) if flag is None and wanted != "flash" else None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        WHY_NOT[wanted](_params(q, k, v, mask, bool(flag)), True)
    return " ".join(str(warning.message).split(" (Triggered")[0] for warning in said) or "torch says no more"


def _why_not_flex(q: Tensor, v: Tensor) -> str | None:
    if not q.is_cuda:
        return "it is compiled for GPUs"
    if q.dtype not in FLEX_DTYPES:
        return f"it takes {', '.join(str(dtype) for dtype in FLEX_DTYPES)}"
    if min(q.shape[3], v.shape[3]) < FLEX_LEAST_WIDTH:
        return f"it takes heads of at least {FLEX_LEAST_WIDTH}"
    return None if q.numel() and v.numel() else "it takes no empty tensors"


def _check(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: bool,
    window: int | None,
    documents: Tensor | None,
    cu_seqlens: Tensor | None,
) -> None:
    fit = q.ndim == k.ndim == v.ndim == 4 and len(q) == len(k) and k.shape[:3] == v.shape[:3]
    if not fit or k.shape[3] != q.shape[3] or not k.shape[1] or q.shape[1] % k.shape[1]:
        raise ValueError(
            f"attention takes queries (B, H, T, K), keys (B, G, S, K) and values (B, G, S, V) of a divisor G of H;"
            f" got {tuple(q.shape)}, {tuple(k.shape)} and {tuple(v.shape)}"
        )
    queries, keys = q.shape[2], k.shape[2]
    if causal and queries > keys:
        raise ValueError(f"causal attention takes no more queries than keys; got {queries} and {keys}")
    if window is not None and (window < 1 or not causal):
        raise ValueError(f"a window of attention is causal and of at least one key; got {window} and causal {causal}")
    if (documents is not None or cu_seqlens is not None) and queries != keys:
        raise ValueError(f"documents are attended to with as many queries as keys; got {queries} and {keys}")
    if documents is not None and (documents.shape != (len(q), queries) or documents.is_floating_point()):
        raise ValueError(f"documents are whole numbers (B, T); got {documents.dtype} {tuple(documents.shape)}")
    if cu_seqlens is not None and (documents is not None or len(q) != 1 or cu_seqlens.dtype != torch.int32):
        raise ValueError(
            f"cu_seqlens is int32, of one row, in place of documents; got {cu_seqlens.dtype} and B {len(q)}"
        )
    same_place("attention", query=q, keys=k, values=v, documents=documents, cu_seqlens=cu_seqlens)
