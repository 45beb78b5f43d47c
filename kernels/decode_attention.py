"""Attention of a query token per sequence to its cache: y[b, h] = softmax(scale q[b, h] k[b, g, s]) v[b, g, s] over s.

B batch, H query heads, G key/value heads, R = H / G query heads of one of them, S slots of the cache, K head size,
U = B G units: a key/value head of a sequence. Sequence b attends to its last `window` of the first lengths[b] slots.

One program handles the R query heads of a unit, so that keys and values are read once. A context is cut into parts for
different programs, and the parts are merged by a second kernel. There are two ways to cut, neither waiting for the
device: "split" cuts every context into the same number of parts; "stream" lays the tiles of all contexts in a row and
gives every program an equal share, whatever the lengths. Source of the latter: arXiv 2405.10480.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .autocast import autocasted
from .launching import by_triton, same_place
from .merge_attention import BLOCK_P, LN_2, launch_merge, merge_slots
from .processors import processors
from .tuning import Config, Tuning, bucket

Schedule = Literal["split", "stream"]

PROGRAMS_PER_PROCESSOR = 2
LEAST_TILE, MOST_TILE = 16, 128
# A tile of keys in bytes, which sets how many slots it has.
TUNING = Tuning(
    "decode_attention",
    {"tile_bytes": 16384, "num_warps": 4, "num_stages": 3},
    {"tile_bytes": 8192, "num_warps": 4, "num_stages": 4},
    {"tile_bytes": 8192, "num_warps": 2, "num_stages": 4},
    {"tile_bytes": 16384, "num_warps": 8, "num_stages": 3},
    {"tile_bytes": 32768, "num_warps": 8, "num_stages": 2},
)


def decode_attention_reference(
    q_BHK: Tensor,
    k_BGSK: Tensor,
    v_BGSK: Tensor,
    lengths_B: Tensor | None = None,
    window: int | None = None,
    scale: float | None = None,
) -> Tensor:
    """By the formula, over the slots that count; a sequence of length zero gets zeros."""
    ratio, capacity = q_BHK.shape[1] // k_BGSK.shape[1], k_BGSK.shape[2]
    k_BHSK, v_BHSK = (x.repeat_interleave(ratio, dim=1) for x in (k_BGSK, v_BGSK))
    score_BHS = (k_BHSK @ q_BHK.unsqueeze(3)).squeeze(3) * (scale or q_BHK.shape[2] ** -0.5)
    seen_B1S = _seen(q_BHK, capacity, lengths_B, window).unsqueeze(1)
    weight_BHS = score_BHS.masked_fill(~seen_B1S, -torch.inf).softmax(dim=2).masked_fill(~seen_B1S, 0)
    return (weight_BHS.unsqueeze(2) @ v_BHSK).squeeze(2)


def _seen(q_BHK: Tensor, capacity: int, lengths_B: Tensor | None, window: int | None) -> Tensor:
    """(B, S) booleans: the slots that count."""
    lengths_B = q_BHK.new_full((len(q_BHK),), capacity, dtype=torch.int32) if lengths_B is None else lengths_B
    end_B1 = lengths_B.clamp(0, capacity).unsqueeze(1)
    slot_S = torch.arange(capacity, device=q_BHK.device, dtype=torch.int32)
    return (slot_S < end_B1) & (slot_S >= end_B1 - (window or capacity))


@triton.jit
def _span(p_lengths, i_sequence, batch, capacity, window, LENGTHS: tl.constexpr):
    """The first slot that counts and the one after the last, of a sequence or of a block of them."""
    end = tl.load(p_lengths + i_sequence, mask=i_sequence < batch, other=0) if LENGTHS else i_sequence * 0 + capacity
    end = tl.minimum(tl.maximum(end, 0), capacity)
    return tl.maximum(end - window, 0), end


@triton.jit
def _attend(
    p_q, p_k, p_v, i_unit, groups, ratio, width, begin, end, stride_qb, stride_qh, stride_kb, stride_kg, stride_ks,
    stride_vb, stride_vg, stride_vs, scale_log2, b_R: tl.constexpr, b_K: tl.constexpr, b_S: tl.constexpr,
):  # fmt: skip
    """The queries of a unit over the slots from `begin` to before `end`: (b_R, b_K) outputs and log-sum-exps.

    Scores are in powers of two, which is what a GPU raises.
    """
    i_batch, i_group = (i_unit // groups).to(tl.int64), (i_unit % groups).to(tl.int64)
    i_r, i_k = tl.arange(0, b_R), tl.arange(0, b_K)
    mask_k = (i_k < width)[None, :]
    p_q += i_batch * stride_qb + (i_group * ratio + i_r[:, None]) * stride_qh + i_k[None, :]
    p_k += i_batch * stride_kb + i_group * stride_kg + i_k[None, :]
    p_v += i_batch * stride_vb + i_group * stride_vg + i_k[None, :]
    b_q = tl.load(p_q, mask=(i_r < ratio)[:, None] & mask_k, other=0.0)
    b_most = tl.full((b_R,), float("-inf"), tl.float32)
    b_sum = tl.zeros((b_R,), tl.float32)
    b_y = tl.zeros((b_R, b_K), tl.float32)
    for i_start in range(begin, end, b_S):
        i_s = (i_start + tl.arange(0, b_S)).to(tl.int64)
        inside = i_s < end
        mask = inside[:, None] & mask_k
        b_key = tl.load(p_k + i_s[:, None] * stride_ks, mask=mask, other=0.0)
        b_score = tl.dot(b_q, tl.trans(b_key), input_precision="ieee") * scale_log2
        b_score = tl.where(inside[None, :], b_score, float("-inf"))
        b_next = tl.maximum(b_most, tl.max(b_score, axis=1))
        b_weight = tl.exp2(b_score - b_next[:, None])
        b_keep = tl.exp2(b_most - b_next)
        b_sum = b_sum * b_keep + tl.sum(b_weight, axis=1)
        b_value = tl.load(p_v + i_s[:, None] * stride_vs, mask=mask, other=0.0)
        b_y = b_y * b_keep[:, None] + tl.dot(b_weight.to(b_value.dtype), b_value, input_precision="ieee")
        b_most = b_next
    some = b_sum > 0.0
    b_safe = tl.where(some, b_sum, 1.0)
    b_lse = tl.where(some, (b_most + tl.log2(b_safe)) * LN_2, float("-inf"))
    return b_y / b_safe[:, None], b_lse


@triton.jit
def _keep(p_y, p_lse, i_slot, b_y, b_lse, ratio, width, b_R: tl.constexpr, b_K: tl.constexpr):
    """Write the part of a slot."""
    i_r, i_k = tl.arange(0, b_R), tl.arange(0, b_K)
    i_row = tl.cast(i_slot, tl.int64) * ratio + i_r
    mask = (i_r < ratio)[:, None] & (i_k < width)[None, :]
    tl.store(p_y + i_row[:, None] * width + i_k[None, :], b_y.to(p_y.dtype.element_ty), mask=mask)
    tl.store(p_lse + i_row, b_lse, mask=i_r < ratio)


@triton.jit
def _split_kernel(
    p_q, p_k, p_v, p_lengths, p_y, p_lse, batch, groups, ratio, width, capacity, window, splits, stride_qb,
    stride_qh, stride_kb, stride_kg, stride_ks, stride_vb, stride_vg, stride_vs, scale_log2,
    LENGTHS: tl.constexpr, b_R: tl.constexpr, b_K: tl.constexpr, b_S: tl.constexpr,
):  # fmt: skip
    """One of the `splits` parts of a unit's context, whole tiles."""
    i_unit, i_split = tl.program_id(0), tl.program_id(1)
    begin, end = _span(p_lengths, i_unit // groups, batch, capacity, window, LENGTHS)
    share = tl.cdiv(tl.cdiv(end - begin, splits), b_S) * b_S
    first = begin + i_split * share
    b_y, b_lse = _attend(
        p_q, p_k, p_v, i_unit, groups, ratio, width, first, tl.minimum(first + share, end), stride_qb, stride_qh,
        stride_kb, stride_kg, stride_ks, stride_vb, stride_vg, stride_vs, scale_log2, b_R, b_K, b_S,
    )  # fmt: skip
    _keep(p_y, p_lse, i_unit * splits + i_split, b_y, b_lse, ratio, width, b_R, b_K)


@triton.jit
def _tiles_before(
    p_lengths, batch, groups, capacity, window, LENGTHS: tl.constexpr, b_S: tl.constexpr, b_B: tl.constexpr
):
    """Of every sequence: the tiles of one of its units, and all tiles of it and of the sequences before it."""
    i_b = tl.arange(0, b_B)
    begin, end = _span(p_lengths, i_b, batch, capacity, window, LENGTHS)
    b_tiles = tl.where(i_b < batch, tl.cdiv(end - begin, b_S), 0)
    return b_tiles, tl.cumsum(b_tiles, axis=0) * groups


@triton.jit
def _stream_kernel(
    p_q, p_k, p_v, p_lengths, p_y, p_lse, batch, groups, ratio, width, capacity, window, stride_qb, stride_qh,
    stride_kb, stride_kg, stride_ks, stride_vb, stride_vg, stride_vs, scale_log2,
    LENGTHS: tl.constexpr, b_R: tl.constexpr, b_K: tl.constexpr, b_S: tl.constexpr, b_B: tl.constexpr,
):  # fmt: skip
    """An equal share of all tiles, which lie in the order of their units.

    What program p makes of unit u goes to slot p + u: from one part to the next either grows, so no two parts meet,
    and the parts of a unit lie side by side.
    """
    i_program = tl.program_id(0)
    i_b = tl.arange(0, b_B)
    b_tiles, b_last = _tiles_before(p_lengths, batch, groups, capacity, window, LENGTHS, b_S, b_B)
    total = tl.max(b_last, axis=0)
    share = tl.cdiv(total, tl.num_programs(0))
    i_tile = i_program * share
    i_stop = tl.minimum(i_tile + share, total)
    while i_tile < i_stop:
        i_batch = tl.sum((b_last <= i_tile).to(tl.int32), axis=0)
        own = i_b == i_batch
        tiles = tl.sum(tl.where(own, b_tiles, 0), axis=0)
        i_within = i_tile - (tl.sum(tl.where(own, b_last, 0), axis=0) - tiles * groups)
        i_group, i_first = i_within // tiles, i_within % tiles
        count = tl.minimum(tiles - i_first, i_stop - i_tile)
        begin, end = _span(p_lengths, i_batch, batch, capacity, window, LENGTHS)
        first = begin + i_first * b_S
        i_unit = i_batch * groups + i_group
        b_y, b_lse = _attend(
            p_q, p_k, p_v, i_unit, groups, ratio, width, first, tl.minimum(first + count * b_S, end), stride_qb,
            stride_qh, stride_kb, stride_kg, stride_ks, stride_vb, stride_vg, stride_vs, scale_log2, b_R, b_K, b_S,
        )  # fmt: skip
        _keep(p_y, p_lse, i_program + i_unit, b_y, b_lse, ratio, width, b_R, b_K)
        i_tile += count


@triton.jit
def _stream_merge_kernel(
    p_y, p_lse, p_lengths, p_merged, batch, groups, ratio, width, capacity, window, programs,
    LENGTHS: tl.constexpr, b_S: tl.constexpr, b_B: tl.constexpr, b_P: tl.constexpr, b_K: tl.constexpr,
):  # fmt: skip
    """One row of a unit, from the slots of the programs that had tiles of it."""
    i_unit, i_row = tl.program_id(0), tl.program_id(1)
    b_tiles, b_last = _tiles_before(p_lengths, batch, groups, capacity, window, LENGTHS, b_S, b_B)
    share = tl.maximum(tl.cdiv(tl.max(b_last, axis=0), programs), 1)
    own = tl.arange(0, b_B) == i_unit // groups
    tiles = tl.sum(tl.where(own, b_tiles, 0), axis=0)
    i_tile = tl.sum(tl.where(own, b_last, 0), axis=0) - tiles * (groups - i_unit % groups)
    first = i_tile // share + i_unit
    last = tl.where(tiles > 0, (i_tile + tiles - 1) // share + i_unit + 1, first)
    b_y, _ = merge_slots(p_y, p_lse, first, last, i_row, ratio, width, b_P, b_K)
    i_k = tl.arange(0, b_K)
    i_out = (i_unit.to(tl.int64) * ratio + i_row) * width + i_k
    tl.store(p_merged + i_out, b_y.to(p_merged.dtype.element_ty), mask=i_k < width)


def launch_decode(
    q_BHK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, lengths_B: Tensor | None, window: int, scale: float, stream: bool
) -> Tensor:
    """Run the Triton kernels; `window` is at most the slots of the cache."""
    q_BHK, k_BGSK, v_BGSK = (x if x.stride(-1) == 1 else x.contiguous() for x in (q_BHK, k_BGSK, v_BGSK))
    batch, heads, width = q_BHK.shape
    groups, capacity = k_BGSK.shape[1:3]
    y_BHK = torch.empty(batch, heads, width, dtype=q_BHK.dtype, device=q_BHK.device)
    if not y_BHK.numel():
        return y_BHK
    units, ratio, b_K = batch * groups, heads // groups, bucket(width)
    wanted = PROGRAMS_PER_PROCESSOR * processors(q_BHK.device)
    lengths_B = None if lengths_B is None else lengths_B.contiguous()
    scale_log2 = scale / LN_2.value
    strides = (*q_BHK.stride()[:2], *k_BGSK.stride()[:3], *v_BGSK.stride()[:3])

    def run(config: Config) -> None:
        b_S = min(max(config["tile_bytes"] // (b_K * q_BHK.element_size()), LEAST_TILE), MOST_TILE)
        meta = {"LENGTHS": lengths_B is not None, "b_K": b_K, "b_S": b_S}
        launched = {"b_R": bucket(ratio), "num_warps": config["num_warps"], "num_stages": config["num_stages"]}
        tiles = triton.cdiv(min(window, capacity), b_S)
        operands, sizes = (q_BHK, k_BGSK, v_BGSK, lengths_B), (batch, groups, ratio, width, capacity, window)
        if stream:
            meta["b_B"] = triton.next_power_of_2(batch)
            programs = max(1, min(wanted, units * tiles))
            y_PRK, lse_PR = _slots(programs + units, ratio, width, q_BHK.device)
            _stream_kernel[(programs,)](*operands, y_PRK, lse_PR, *sizes, *strides, scale_log2, **meta, **launched)
            _stream_merge_kernel[(units, ratio)](
                y_PRK, lse_PR, lengths_B, y_BHK, *sizes, programs, b_P=BLOCK_P, num_warps=2, **meta
            )
            return
        splits = max(1, min(triton.cdiv(wanted, units), tiles))
        y_PRK, lse_PR = _slots(units * splits, ratio, width, q_BHK.device)
        # A context in one part needs no merging: its part is the output.
        y = y_BHK if splits == 1 else y_PRK
        _split_kernel[(units, splits)](*operands, y, lse_PR, *sizes, splits, *strides, scale_log2, **meta, **launched)
        if splits > 1:
            parts = y_PRK.view(units, splits, ratio, width), lse_PR.view(units, splits, ratio)
            launch_merge(*parts, y_BHK)

    key = (bucket(ratio), b_K, bucket(capacity, 256), bucket(units, 1), q_BHK.dtype, stream)
    TUNING.launch(run, q_BHK.device, *key)
    return y_BHK


def _slots(slots: int, ratio: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    y_PRK = torch.empty(slots, ratio, width, dtype=torch.float32, device=device)
    return y_PRK, torch.empty(slots, ratio, dtype=torch.float32, device=device)


@torch.library.custom_op("frontier::decode_attention", mutates_args=())
def _decode(
    q_BHK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, lengths_B: Tensor | None, window: int, scale: float, stream: bool
) -> Tensor:
    return launch_decode(q_BHK, k_BGSK, v_BGSK, lengths_B, window, scale, stream)


@_decode.register_fake
def _(
    q_BHK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, lengths_B: Tensor | None, window: int, scale: float, stream: bool
) -> Tensor:
    return q_BHK.new_empty(q_BHK.shape)


@register_flop_formula(torch.ops.frontier.decode_attention)
def _flops(
    q: list[int], k: list[int], v: list[int], lengths: list[int] | None, window: int, *args: Any, **kwargs: Any
) -> int:
    """As if every context filled its cache or window: lengths are not in the shapes."""
    return 4 * q[0] * q[1] * q[2] * min(window, k[2])


def _composed(
    q_BHK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, lengths_B: Tensor | None, window: int, scale: float
) -> Tensor:
    """The R queries of a unit see the same slots: as R tokens of one head they need no copies of keys and values."""
    batch, groups, capacity, width = k_BGSK.shape
    q_BGRK = q_BHK.reshape(batch, groups, q_BHK.shape[1] // groups, width)
    if lengths_B is None:
        near = slice(capacity - window, None)
        y_BGRK = F.scaled_dot_product_attention(q_BGRK, k_BGSK[:, :, near], v_BGSK[:, :, near], scale=scale)
    else:
        seen_B11S = _seen(q_BHK, capacity, lengths_B, window)[:, None, None]
        y_BGRK = F.scaled_dot_product_attention(q_BGRK, k_BGSK, v_BGSK, attn_mask=seen_B11S, scale=scale)
    return y_BGRK.reshape(q_BHK.shape)


def decode_attention(
    q_BHK: Tensor,
    k_BGSK: Tensor,
    v_BGSK: Tensor,
    lengths_B: Tensor | None = None,
    window: int | None = None,
    scale: float | None = None,
    schedule: Schedule | None = None,
) -> Tensor:
    """Attend with a token per sequence to its cache, (B, H, K) with two (B, G, S, K) to (B, H, K). Not differentiable.

    Args:
        lengths_B: int32, how many slots of each sequence are filled; by default all. One over S counts as S, and a
            sequence of length zero gets zeros. What lies past a length must be finite on a CPU.
        window: only the last so many filled slots count. A ring, whose order no softmax minds, needs none.
        scale: of the scores; by default one over the root of the head size.
        schedule: how a GPU cuts contexts into parts; by default "stream" where lengths are given, else "split".

    Raises:
        ValueError: the shapes, dtypes or devices do not fit together, or a setting is none of the above.
    """
    q_BHK, k_BGSK, v_BGSK = autocasted(q_BHK, k_BGSK, v_BGSK)
    _check(q_BHK, k_BGSK, v_BGSK, lengths_B, window, schedule)
    capacity, width = k_BGSK.shape[2:]
    window = min(window or capacity, capacity)
    scale = width**-0.5 if scale is None else scale
    if not by_triton(q_BHK):
        return _composed(q_BHK, k_BGSK, v_BGSK, lengths_B, window, scale)
    stream = schedule == "stream" or (schedule is None and lengths_B is not None)
    return torch.ops.frontier.decode_attention(q_BHK, k_BGSK, v_BGSK, lengths_B, window, scale, stream)


def _check(
    q: Tensor, k: Tensor, v: Tensor, lengths: Tensor | None, window: int | None, schedule: Schedule | None
) -> None:
    fit = q.ndim == 3 and k.ndim == 4 and k.shape == v.shape and len(k) == len(q) and k.shape[3] == q.shape[2]
    if not fit or not k.shape[1] or q.shape[1] % k.shape[1]:
        raise ValueError(
            f"decode_attention takes a query (B, H, K) and keys and values (B, G, S, K) of a divisor G of H;"
            f" got {tuple(q.shape)}, {tuple(k.shape)} and {tuple(v.shape)}"
        )
    if lengths is not None and (lengths.shape != q.shape[:1] or lengths.dtype != torch.int32):
        raise ValueError(
            f"decode_attention takes lengths (B,) in int32; got {tuple(lengths.shape)} in {lengths.dtype}, B {len(q)}"
        )
    if window is not None and window < 1:
        raise ValueError(f"decode_attention takes a window of at least one slot; got {window}")
    if schedule not in (None, "split", "stream"):
        raise ValueError(f'decode_attention is scheduled by "split" or "stream"; got {schedule!r}')
    same_place("decode_attention", query=q, keys=k, values=v, lengths=lengths)
