"""What the suite cannot say of decoding: the definition, empty contexts, merging in any order, a ring, refusals."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from frontier.kernels.decode_attention import decode_attention, decode_attention_reference
from frontier.kernels.launching import INTERPRETED
from frontier.kernels.merge_attention import merge_attention


def cache(batch: int = 3, heads: int = 6, groups: int = 2, capacity: int = 11, width: int = 4) -> list[Tensor]:
    return [
        torch.randn(batch, heads, width),
        torch.randn(batch, groups, capacity, width),
        torch.randn(batch, groups, capacity, width),
    ]


def test_the_reference_is_the_definition() -> None:
    q, k, v = cache()
    lengths, window = torch.tensor([11, 3, 7], dtype=torch.int32), 5
    expected = torch.zeros_like(q)
    for b in range(3):
        for h in range(6):
            seen = range(max(0, int(lengths[b]) - window), int(lengths[b]))
            weights = [math.exp(float(q[b, h] @ k[b, h // 3, s]) / 2) for s in seen]
            for s, weight in zip(seen, weights, strict=True):
                expected[b, h] += weight / sum(weights) * v[b, h // 3, s]
    torch.testing.assert_close(decode_attention_reference(q, k, v, lengths, window), expected)


@pytest.mark.parametrize("schedule", ["split", "stream"])
def test_lengths_of_zero_give_zeros(schedule: str) -> None:
    q, k, v = cache()
    lengths = torch.zeros(3, dtype=torch.int32)
    assert decode_attention(q, k, v, lengths, schedule=schedule).count_nonzero() == 0
    assert decode_attention(q, k[:, :, :0], v[:, :, :0]).count_nonzero() == 0


def test_no_sequences_give_none() -> None:
    q, k, v = cache(batch=0)
    assert decode_attention(q, k, v).shape == (0, 6, 4)


def test_a_scale_is_heeded() -> None:
    q, k, v = cache()
    torch.testing.assert_close(decode_attention(q, k, v, scale=0.1), decode_attention_reference(q, k, v, scale=0.1))


def test_a_ring_needs_no_window() -> None:
    """Slot = position modulo span: the last 4 of 11 positions lie in a ring in another order."""
    q, k, v = cache()
    slots = sorted(range(7, 11), key=lambda position: position % 4)
    torch.testing.assert_close(decode_attention(q, k[:, :, slots], v[:, :, slots]), decode_attention(q, k, v, window=4))


def test_it_is_the_attention_of_torch() -> None:
    q, k, v = cache()
    expected = F.scaled_dot_product_attention(q.unsqueeze(2), k, v, enable_gqa=True).squeeze(2)
    torch.testing.assert_close(decode_attention(q, k, v), expected)


def parts(sizes: list[int], k: Tensor, v: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Of one unit: output and log-sum-exp of every run of slots."""
    score = q @ k.T
    outputs = [s.softmax(1) @ x for s, x in zip(score.split(sizes, 1), v.split(sizes), strict=True)]
    return torch.stack(outputs)[None], torch.stack([s.logsumexp(1) for s in score.split(sizes, 1)])[None]


def test_merging_any_split_is_the_whole() -> None:
    q, k, v = torch.randn(3, 8), torch.randn(12, 8), torch.randn(12, 8)
    whole = parts([12], k, v, q)
    y, lse = parts([5, 1, 4, 2], k, v, q)
    torch.testing.assert_close(merge_attention(y, lse), (whole[0][:, 0], whole[1][:, 0]))
    left, right = merge_attention(y[:, :3], lse[:, :3]), merge_attention(y[:, 3:], lse[:, 3:])
    nested = [torch.stack(pair, dim=1) for pair in zip(left, right, strict=True)]
    torch.testing.assert_close(merge_attention(*nested), merge_attention(y, lse))


def test_parts_of_no_keys_count_nothing() -> None:
    y, lse = torch.full((1, 2, 1, 4), torch.nan), torch.tensor([[[-torch.inf], [0.5]]])
    y[:, 1] = 3
    merged, total = merge_attention(y, lse)
    assert merged.tolist() == [[[3.0] * 4]]
    assert total.tolist() == [[0.5]]
    merged, total = merge_attention(y[:, :1], lse[:, :1])
    assert merged.count_nonzero() == 0
    assert total.tolist() == [[-torch.inf]]


@pytest.mark.skipif(not INTERPRETED, reason="a CPU multiplies what it does not look at by zero")
@pytest.mark.parametrize("schedule", ["split", "stream"])
def test_what_lies_past_a_length_is_not_read(schedule: str) -> None:
    q, k, v = cache()
    lengths = torch.tensor([11, 0, 4], dtype=torch.int32)
    for x in (k, v):
        x[1], x[2, :, 4:] = torch.nan, torch.nan
    assert decode_attention(q, k, v, lengths, schedule=schedule).isfinite().all()


def test_what_does_not_fit_is_named() -> None:
    q, k, v = cache()
    with pytest.raises(ValueError, match=r"got \(3, 5, 4\), \(3, 2, 11, 4\)"):
        decode_attention(q[:, :5], k, v)
    with pytest.raises(ValueError, match=r"lengths \(B,\) in int32; got \(3,\) in torch\.int64"):
        decode_attention(q, k, v, torch.ones(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="at least one slot; got 0"):
        decode_attention(q, k, v, window=0)
    with pytest.raises(ValueError, match="got 'even'"):
        decode_attention(q, k, v, schedule="even")
    with pytest.raises(ValueError, match="keys float64 on cpu"):
        decode_attention(q, k.double(), v)
    with pytest.raises(ValueError, match=r"got \(1, 2, 1, 4\) and \(1, 2\)"):
        merge_attention(torch.zeros(1, 2, 1, 4), torch.zeros(1, 2))
