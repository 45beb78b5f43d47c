"""What kernels are timed on and beside what: for every kernel some sizes, and what a user would write without it.

B batch, T tokens, N tokens of all sequences, D width, H heads, G groups, K key size, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from frontier.kernels.add_layer_norm import add_layer_norm
from frontier.kernels.add_rms_norm import add_rms_norm
from frontier.kernels.attention import attention
from frontier.kernels.causal_conv1d import causal_conv1d
from frontier.kernels.decode_attention import decode_attention
from frontier.kernels.fused_ffn import fused_ffn
from frontier.kernels.linear_attention_chunk import linear_attention_chunk, linear_attention_quadratic
from frontier.kernels.moe_mlp import moe_mlp, moe_mlp_reference
from frontier.kernels.mohd import mohd_read, mohd_read_reference, mohd_write, mohd_write_reference
from frontier.kernels.ssd_chunk_scan import ssd_chunk_scan

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Subject:
    """One kernel at one size.

    `plain` is the composition of torch's own operators that it stands for. `flops` and `moved_bytes` are what a forward
    pass cannot do without. `others` are further comparators.
    """

    name: str
    size: str
    tensors: list[Tensor]
    ours: Callable[..., Any]
    plain: Callable[..., Any]
    flops: int
    moved_bytes: int
    backward: bool = True
    others: tuple[tuple[str, Callable[..., Any]], ...] = ()


def subjects(large: bool, dtype: torch.dtype) -> Iterator[Subject]:
    """On the default device; `large` sizes are those of models of billions of parameters."""
    for rows, width in ((4096, 2048), (8192, 8192)) if large else ((1, 256), (128, 256), (2048, 1024)):
        yield from norms(rows, width, dtype)
    for size in ((8, 2048, 4096, 4), (4, 4096, 2048, 15)) if large else ((1, 128, 128, 4), (8, 512, 256, 7)):
        yield convolution(size, dtype)
    for size in ((4, 4096, 32, 8, 128), (1, 16384, 32, 8, 128)) if large else ((1, 128, 4, 2, 32), (8, 512, 4, 2, 64)):
        yield from attentions(size, dtype)
    for size in (
        ((16, 8192, 32, 8, 128), (1, 65536, 32, 8, 128)) if large else ((1, 128, 4, 2, 32), (8, 1024, 8, 2, 64))
    ):
        yield decoding(size, dtype)
    for size in ((8, 4096, 32, 64, 128),) if large else ((1, 128, 4, 32, 32), (8, 512, 4, 32, 64)):
        yield from scans(size, dtype)
    for size in (
        ((8192, 2048, 64, 1024, 8), (64, 2048, 64, 1024, 8)) if large else ((1, 128, 4, 256, 2), (1024, 256, 8, 512, 2))
    ):
        yield experts(size, dtype)
    for size in (
        ((4096, 2048, 32, 8, 8), (16384, 4096, 32, 8, 8)) if large else ((1, 256, 8, 2, 2), (2048, 512, 8, 2, 2))
    ):
        yield from hidden_groups(size, dtype)
    for size in ((32768, 4096, 11008),) if large else ((4096, 256, 1024),):
        yield feed_forward(size, dtype)


def norms(rows: int, width: int, dtype: torch.dtype) -> Iterator[Subject]:
    x, residual = (torch.randn(rows, width, dtype=dtype) for _ in range(2))
    weight, bias = torch.randn(width, dtype=dtype), torch.randn(width, dtype=dtype)

    def rms(x: Tensor, residual: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        total = x + residual
        return F.rms_norm(total, (width,), weight, 1e-6), total

    def layer(x: Tensor, residual: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        total = x + residual
        return F.layer_norm(total, (width,), weight, bias, 1e-5), total

    moved = 4 * x.nbytes
    yield Subject("add_rms_norm", f"{rows} x {width}", [x, residual, weight], add_rms_norm, rms, 0, moved)
    yield Subject("add_layer_norm", f"{rows} x {width}", [x, residual, weight, bias], add_layer_norm, layer, 0, moved)


def convolution(size: Sizes, dtype: torch.dtype) -> Subject:
    batch, tokens, channels, kernel_size = size
    x, gate = (torch.randn(batch, tokens, channels, dtype=dtype) for _ in range(2))
    taps = torch.randn(channels, kernel_size, dtype=dtype)

    def plain(x: Tensor, taps: Tensor, gate: Tensor) -> Tensor:
        padded = F.pad(x.transpose(1, 2), (kernel_size - 1, 0))
        return F.conv1d(padded, taps.unsqueeze(1), groups=channels).transpose(1, 2) * F.silu(gate)

    label = f"{batch} x {tokens} x {channels}, {kernel_size} taps, gated"
    flops = 2 * x.numel() * kernel_size
    return Subject("causal_conv1d", label, [x, taps, gate], causal_conv1d, plain, flops, 3 * x.nbytes)


def attentions(size: Sizes, dtype: torch.dtype) -> Iterator[Subject]:
    batch, tokens, heads, kv_heads, head_dim = size
    q = torch.randn(batch, heads, tokens, head_dim, dtype=dtype)
    k, v = (torch.randn(batch, kv_heads, tokens, head_dim, dtype=dtype) for _ in range(2))
    window = tokens // 4

    def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    def masked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        distance = torch.arange(tokens).unsqueeze(1) - torch.arange(tokens)
        seen = (distance >= 0) & (distance < window)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)

    label = f"{batch} x {tokens}, {heads} over {kv_heads} heads of {head_dim}"
    flops, moved = 2 * q.numel() * tokens, 2 * q.nbytes + 2 * k.nbytes
    yield Subject("attention", label, [q, k, v], attention, causal, flops, moved)
    yield Subject(
        "attention, window",
        f"{label}, {window}",
        [q, k, v],
        lambda q, k, v: attention(q, k, v, window=window),
        masked,
        4 * q.numel() * window,
        moved,
    )


def decoding(size: Sizes, dtype: torch.dtype) -> Subject:
    batch, cached, heads, kv_heads, head_dim = size
    q = torch.randn(batch, heads, head_dim, dtype=dtype)
    k, v = (torch.randn(batch, kv_heads, cached, head_dim, dtype=dtype) for _ in range(2))

    def plain(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q.unsqueeze(2), k, v, enable_gqa=True).squeeze(2)

    label = f"{batch} x {cached} cached, {heads} over {kv_heads} heads of {head_dim}"
    flops = 4 * q.numel() * cached
    return Subject("decode_attention", label, [q, k, v], decode_attention, plain, flops, 2 * k.nbytes, backward=False)


def scans(size: Sizes, dtype: torch.dtype) -> Iterator[Subject]:
    batch, tokens, heads, key, value = size
    q, k = (torch.randn(batch, heads, tokens, key, dtype=dtype) for _ in range(2))
    v = torch.randn(batch, heads, tokens, value, dtype=dtype)
    log_decay = -0.1 * torch.rand(batch, heads, tokens)
    # Inside chunks of 64 tokens, and one state from chunk to chunk.
    flops = batch * heads * tokens * (2 * 64 * (key + value) // 2 + 4 * key * value)
    label = f"{batch} x {tokens}, {heads} heads, {key} x {value}"
    yield Subject(
        "linear_attention_chunk",
        label,
        [q, k, v, log_decay],
        lambda *given: linear_attention_chunk(*given)[0],
        linear_attention_quadratic,
        flops,
        2 * q.nbytes + 2 * v.nbytes,
    )
    x = v.transpose(1, 2).contiguous()
    shared_k, shared_q = (part[:, :1].transpose(1, 2).contiguous() for part in (k, q))
    time_step, rate, skip = 0.1 * torch.rand(batch, tokens, heads), -1 - 15 * torch.rand(heads), torch.randn(heads)

    def repeated(x: Tensor, k: Tensor, q: Tensor, time_step: Tensor, rate: Tensor, skip: Tensor) -> Tensor:
        every_k, every_q = (part.transpose(1, 2).expand(-1, heads, -1, -1) for part in (k, q))
        values = (x * time_step.unsqueeze(-1).to(x.dtype)).transpose(1, 2)
        y = linear_attention_quadratic(every_q, every_k, values, (rate * time_step).transpose(1, 2))
        return y.transpose(1, 2) + skip.to(x.dtype).unsqueeze(-1) * x

    yield Subject(
        "ssd_chunk_scan",
        label,
        [x, shared_k, shared_q, time_step, rate, skip.to(dtype)],
        lambda *given: ssd_chunk_scan(*given)[0],
        repeated,
        flops,
        2 * x.nbytes + 2 * shared_k.nbytes,
    )


def experts(size: Sizes, dtype: torch.dtype) -> Subject:
    tokens, width, count, inner, top_k = size
    x = torch.randn(tokens, width, dtype=dtype)
    gate, up = (torch.randn(count, inner, width, dtype=dtype) / width**0.5 for _ in range(2))
    down = torch.randn(count, width, inner, dtype=dtype) / inner**0.5
    weight, chosen = torch.rand(tokens, top_k, dtype=dtype), torch.rand(tokens, count).argsort(dim=1)[:, :top_k]
    label = f"{tokens} x {width}, {top_k} of {count} experts of {inner}"
    used = min(count, tokens * top_k)
    return Subject(
        "moe_mlp",
        label,
        [x, gate, up, down, weight],
        lambda *given: moe_mlp(*given, chosen),
        lambda *given: moe_mlp_reference(*given, chosen),
        6 * tokens * top_k * width * inner,
        2 * x.nbytes + used * 3 * gate[0].nbytes,
    )


def hidden_groups(size: Sizes, dtype: torch.dtype) -> Iterator[Subject]:
    tokens, width, groups, shared, routed = size
    group_size, active = width // groups, shared + routed
    u, weight = torch.randn(tokens, width, dtype=dtype), torch.randn(width, width, dtype=dtype) / width**0.5
    multiplier = torch.rand(tokens, active, dtype=dtype)
    chosen = torch.rand(tokens, groups - shared).argsort(dim=1)[:, :routed] + shared
    dense, part = active * group_size, slice(active * group_size)
    flops = 2 * tokens * width * dense
    label = f"{tokens} x {width}, {shared} shared + {routed} routed of {groups}"
    yield Subject(
        "mohd_read",
        label,
        [u, weight, multiplier],
        lambda u, weight, multiplier: mohd_read(u, weight, multiplier, chosen, shared, group_size),
        lambda u, weight, multiplier: mohd_read_reference(u, weight, multiplier, chosen, shared, group_size),
        flops,
        tokens * (dense + width) * u.element_size() + weight.nbytes,
        others=(("dense, same FLOPs", lambda u, weight, multiplier: F.linear(u[:, part], weight[:, part])),),
    )
    yield Subject(
        "mohd_write",
        label,
        [u, weight],
        lambda a, weight: mohd_write(a, weight, chosen, shared, group_size),
        lambda a, weight: mohd_write_reference(a, weight, chosen, shared, group_size),
        flops,
        2 * u.nbytes + weight.nbytes,
        others=(("dense, same FLOPs", lambda a, weight: F.linear(a, weight[part])),),
    )


def feed_forward(size: Sizes, dtype: torch.dtype) -> Subject:
    tokens, width, inner = size
    x = torch.randn(tokens, width, dtype=dtype)
    gate, up = (torch.randn(inner, width, dtype=dtype) / width**0.5 for _ in range(2))
    down = torch.randn(width, inner, dtype=dtype) / inner**0.5

    def plain(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
        return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)

    label = f"{tokens} x {width}, inner {inner}"
    return Subject(
        "fused_ffn",
        label,
        [x, gate, up, down],
        fused_ffn,
        plain,
        6 * tokens * width * inner,
        2 * x.nbytes + 3 * gate.nbytes,
    )
