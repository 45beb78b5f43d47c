"""What the suite cannot say of attention: the definition, the corner, FlexAttention's blocks, backends, refusals."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import flex_attention

from frontier.kernels import attention_masks
from frontier.kernels.attention import attention, attention_backend, attention_reference
from frontier.kernels.attention_masks import Sight, block_mask, documents_of, sees


def heads(queries: int = 5, keys: int = 5, batch: int = 2, groups: int = 2, ratio: int = 3) -> list[Tensor]:
    q = torch.randn(batch, groups * ratio, queries, 16)
    return [q, torch.randn(batch, groups, keys, 16), torch.randn(batch, groups, keys, 16)]


def test_the_reference_is_the_definition() -> None:
    q, k, v = heads(queries=3, keys=7)
    expected = torch.zeros_like(q)
    for b in range(2):
        for h in range(6):
            for i in range(3):
                position = i + 7 - 3
                seen = range(max(0, position - 3), position + 1)
                weights = [math.exp(float(q[b, h, i] @ k[b, h // 3, s]) / 4) for s in seen]
                for s, weight in zip(seen, weights, strict=True):
                    expected[b, h, i] += weight / sum(weights) * v[b, h // 3, s]
    torch.testing.assert_close(attention_reference(q, k, v, window=4), expected)


@pytest.mark.parametrize("window", [None, 1, 4, 70, 100], ids=str)
def test_the_last_queries_of_a_context_see_what_they_see_in_the_whole(window: int | None) -> None:
    q, k, v = heads(queries=90, keys=90)
    whole = attention(q, k, v, window=window)
    for first in (0, 1, 25, 89):
        torch.testing.assert_close(attention(q[:, :, first:], k, v, window=window), whole[:, :, first:])


def test_the_mask_is_aligned_at_the_bottom_right() -> None:
    seen = attention_masks.sees_by_position(2, 4, True, None, torch.device("cpu"))
    assert seen.int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    seen = attention_masks.sees_by_position(2, 4, True, 2, torch.device("cpu"))
    assert seen.int().tolist() == [[0, 1, 1, 0], [0, 0, 1, 1]]


def test_one_token_and_none() -> None:
    q, k, v = heads(queries=1, keys=1)
    torch.testing.assert_close(attention(q, k, v, window=3), v.repeat_interleave(3, dim=1))
    q, k, v = heads(queries=0, keys=0)
    assert attention(q, k, v).shape == (2, 6, 0, 16)
    q, k, v = heads(queries=3, keys=0)
    assert attention(q, k, v, causal=False).count_nonzero() == 0


def test_a_mask_made_in_inference_mode_serves_a_training() -> None:
    attention_masks._kept.cache_clear()
    q, k, v = heads()
    with torch.inference_mode():
        attention(q, k, v, window=2)
    attention(q.requires_grad_(), k, v, window=2).sum().backward()
    assert q.grad is not None


@pytest.mark.parametrize("causal", [True, False])
def test_packed_documents_are_documents(causal: bool) -> None:
    q, k, v = heads(queries=12, keys=12, batch=1)
    bounds = torch.tensor([0, 5, 5, 6, 10], dtype=torch.int32)  # one is empty, two tokens are past the last
    documents = documents_of(bounds, 12)
    assert documents.tolist() == [[1] * 5 + [3] + [4] * 4 + [5] * 2]
    by_bounds = attention(q, k, v, causal=causal, cu_seqlens=bounds)
    torch.testing.assert_close(by_bounds, attention(q, k, v, causal=causal, documents_BT=documents))
    alone = attention(q[:, :, 6:10], k[:, :, 6:10], v[:, :, 6:10], causal=causal)
    torch.testing.assert_close(by_bounds[:, :, 6:10], alone)


SIGHTS = [
    (200, 200, Sight()),
    (130, 400, Sight()),
    (1, 300, Sight()),
    (300, 300, Sight(window=5)),
    (500, 500, Sight(window=300)),
    (130, 600, Sight(window=260)),
    (300, 300, Sight(documents_BT=torch.arange(300).div(70, rounding_mode="floor").expand(2, -1))),
    (384, 384, Sight(False, None, torch.arange(384).div(256, rounding_mode="floor").expand(2, -1))),
    (300, 300, Sight(True, 40, torch.arange(300).remainder(3).expand(2, -1))),
]


@pytest.mark.parametrize(("queries", "keys", "sight"), SIGHTS, ids=range(len(SIGHTS)))
def test_the_blocks_of_flex_attention_say_what_the_mask_says(queries: int, keys: int, sight: Sight) -> None:
    """Every key that is seen lies in a block that is listed, and a whole block has no other."""
    like = torch.empty(())
    blocks, seen = block_mask(like, queries, keys, sight), sees(like, queries, keys, sight)
    seen = seen.expand(len(blocks.kv_num_blocks), 1, queries, keys)
    size = attention_masks.BLOCK
    padded = F.pad(seen, (0, -keys % size, 0, -queries % size))
    by_block = padded.unflatten(3, (-1, size)).unflatten(2, (-1, size)).transpose(3, 4)
    some, every = by_block.flatten(4).any(4), by_block.flatten(4).all(4)
    partly, whole = torch.zeros_like(some), torch.zeros_like(some)
    for found, counts, indices in (
        (partly, blocks.kv_num_blocks, blocks.kv_indices),
        (whole, blocks.full_kv_num_blocks, blocks.full_kv_indices),
    ):
        for b, _, i in torch.ones_like(counts).nonzero().tolist():
            found[b, 0, i, indices[b, 0, i, : counts[b, 0, i]].long()] = True
    assert not (some & ~(partly | whole)).any()
    assert not (whole & ~every).any()
    assert not (partly & whole).any()
    if sight.documents_BT is None:  # of documents in any order, a block is listed by its least and largest
        assert torch.equal(partly | whole, some)
        assert torch.equal(whole, every)


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize(("queries", "keys", "sight"), SIGHTS[1:], ids=range(1, len(SIGHTS)))
def test_flex_attention_with_these_blocks_is_the_reference(queries: int, keys: int, sight: Sight) -> None:
    q, k, v = heads(queries, keys, ratio=1)
    flexed = flex_attention(q, k, v, block_mask=block_mask(q, queries, keys, sight))
    expected = attention_reference(q, k, v, causal=sight.causal, window=sight.window, documents_BT=sight.documents_BT)
    torch.testing.assert_close(flexed, expected)


def test_the_backend_has_a_name() -> None:
    q, k, v = heads()
    assert attention_backend(q, k, v) == "flash"
    assert attention_backend(q, k, v, backend="math") == "math"
    assert attention_backend(q, k, v, window=2) == "flash"
    with sdpa_kernel(SDPBackend.MATH):
        assert attention_backend(q, k, v) == "math"


def test_a_pinned_backend_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = heads()
    seen = []
    plain = F.scaled_dot_product_attention

    def watched(*args: Tensor, **named: object) -> Tensor:
        seen.append((torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()))
        return plain(*args, **named)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    by_math, by_flash = attention(q, k, v, backend="math"), attention(q, k, v, backend="flash")
    assert seen == [(False, True), (True, False)]
    torch.testing.assert_close(by_math, by_flash)


@pytest.mark.parametrize("backend", ["cudnn", "efficient", "flex"])
def test_a_backend_that_cannot_run_is_refused(backend: str) -> None:
    q, k, v = heads()
    with pytest.raises(ValueError, match=rf"attention cannot run on {backend}: .* on cpu, query \(2, 6, 5, 16\)"):
        attention(q, k, v, backend=backend)
    with pytest.raises(ValueError, match=f"cannot run on {backend}"):
        attention(q[:1], k[:1], v[:1], cu_seqlens=torch.tensor([0, 5], dtype=torch.int32), backend=backend)


def test_what_does_not_fit_is_named() -> None:
    q, k, v = heads()
    with pytest.raises(ValueError, match=r"got \(2, 5, 5, 16\), \(2, 2, 5, 16\)"):
        attention(q[:, :5], k, v)
    with pytest.raises(ValueError, match="no more queries than keys; got 5 and 4"):
        attention(q, k[:, :, 1:], v[:, :, 1:])
    with pytest.raises(ValueError, match="got 0 and causal True"):
        attention(q, k, v, window=0)
    with pytest.raises(ValueError, match="got 3 and causal False"):
        attention(q, k, v, window=3, causal=False)
    with pytest.raises(ValueError, match=r"whole numbers \(B, T\); got torch\.int64 \(1, 5\)"):
        attention(q, k, v, documents_BT=torch.zeros(1, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"got torch\.int32 and B 2"):
        attention(q, k, v, cu_seqlens=torch.tensor([0, 5], dtype=torch.int32))
    with pytest.raises(ValueError, match="keys float64 on cpu"):
        attention(q, k.double(), v)
    with pytest.raises(ValueError, match="got 'fast'"):
        attention(q, k, v, backend="fast")
