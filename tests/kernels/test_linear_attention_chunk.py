"""Linear attention with decay: recurrence, quadratic form and chunks say the same, forward and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from frontier.kernels.linear_attention_chunk import (
    linear_attention_chunk,
    linear_attention_chunk_reference,
    linear_attention_quadratic,
    linear_attention_recurrence,
    linear_attention_step,
)

BATCH, HEADS, KEYS, VALUES = 2, 3, 5, 4
DECAYS = ["none", "slow", "fast"]


def inputs(tokens: int, decay: str, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    q_BHTK, k_BHTK = torch.randn(2, BATCH, HEADS, tokens, KEYS, dtype=dtype)
    v_BHTV = torch.randn(BATCH, HEADS, tokens, VALUES, dtype=dtype)
    scale = {"none": None, "slow": 0.05, "fast": 4.0}[decay]
    log_decay_BHT = None if scale is None else -scale * torch.rand(BATCH, HEADS, tokens, dtype=dtype)
    return q_BHTK, k_BHTK, v_BHTV, log_decay_BHT


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("tokens", [1, 2, 63, 100])
@pytest.mark.parametrize("chunk", [1, 8, 16, 100])
def test_recurrence_quadratic_form_and_chunks_agree(chunk: int, tokens: int, decay: str) -> None:
    arguments = inputs(tokens, decay)
    y_BHTV, state_BHKV = linear_attention_recurrence(*arguments)
    torch.testing.assert_close(linear_attention_quadratic(*arguments), y_BHTV, rtol=1e-9, atol=1e-11)
    chunked, last = linear_attention_chunk(*arguments, chunk=chunk)
    torch.testing.assert_close(chunked, y_BHTV, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(last, state_BHKV, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("decay", DECAYS)
def test_segments_that_hand_on_their_state_are_one_long_run(decay: str) -> None:
    q_BHTK, k_BHTK, v_BHTV, log_decay_BHT = inputs(50, decay)
    whole, last = linear_attention_chunk(q_BHTK, k_BHTK, v_BHTV, log_decay_BHT, chunk=8)
    parts, state_BHKV = [], None
    for span in (slice(0, 13), slice(13, 14), slice(14, 50)):
        log_decay = None if log_decay_BHT is None else log_decay_BHT[:, :, span]
        q, k, v = q_BHTK[:, :, span], k_BHTK[:, :, span], v_BHTV[:, :, span]
        y_BHTV, state_BHKV = linear_attention_chunk(q, k, v, log_decay, chunk=8, state_BHKV=state_BHKV)
        parts.append(y_BHTV)
    torch.testing.assert_close(torch.cat(parts, dim=2), whole, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(state_BHKV, last, rtol=1e-9, atol=1e-11)


def test_one_token_steps_are_the_recurrence_with_a_state_before_it() -> None:
    q_BHTK, k_BHTK, v_BHTV, log_decay_BHT = inputs(1, "fast")
    before_BHKV = torch.randn(BATCH, HEADS, KEYS, VALUES, dtype=torch.float64)
    y_BHV, state_BHKV = linear_attention_step(
        q_BHTK[:, :, 0], k_BHTK[:, :, 0], v_BHTV[:, :, 0], log_decay_BHT[:, :, 0], before_BHKV
    )
    after_BHKV = log_decay_BHT.exp().unsqueeze(-1) * before_BHKV + k_BHTK.transpose(2, 3) @ v_BHTV
    torch.testing.assert_close(state_BHKV, after_BHKV)
    torch.testing.assert_close(y_BHV, (q_BHTK @ after_BHKV)[:, :, 0])


def test_a_decay_of_zero_is_none() -> None:
    q_BHTK, k_BHTK, v_BHTV, _ = inputs(63, "none", torch.float32)
    kept, state_BHKV = linear_attention_chunk(q_BHTK, k_BHTK, v_BHTV, torch.zeros(BATCH, HEADS, 63), chunk=16)
    plain, plain_state_BHKV = linear_attention_chunk(q_BHTK, k_BHTK, v_BHTV, None, chunk=16)
    torch.testing.assert_close(kept, plain)
    torch.testing.assert_close(state_BHKV, plain_state_BHKV)


def test_half_precision_is_computed_in_float32() -> None:
    arguments = [None if x is None else x.half() for x in inputs(40, "slow")]
    y_BHTV, state_BHKV = linear_attention_chunk(*arguments)
    wide, _ = linear_attention_chunk(*(None if x is None else x.float() for x in arguments))
    assert y_BHTV.dtype == torch.float16
    assert state_BHKV.dtype == torch.float32
    assert torch.equal(y_BHTV, wide.half())


def test_strong_decay_neither_overflows_nor_loses_the_present() -> None:
    q_BHTK, k_BHTK, v_BHTV, _ = inputs(64, "none", torch.float32)
    log_decay_BHT = torch.full((BATCH, HEADS, 64), -1e4).requires_grad_()
    y_BHTV, _ = linear_attention_chunk(q_BHTK, k_BHTK, v_BHTV, log_decay_BHT, chunk=16)
    alone = (q_BHTK * k_BHTK).sum(-1, keepdim=True) * v_BHTV
    torch.testing.assert_close(y_BHTV, alone)
    y_BHTV.sum().backward()
    assert log_decay_BHT.grad.isfinite().all()


def test_heads_of_a_group_share_queries_and_keys() -> None:
    q_BGTK, k_BGTK = torch.randn(2, BATCH, 2, 40, KEYS, dtype=torch.float64)
    v_BHTV, state_BHKV = torch.randn(BATCH, 6, 40, VALUES).double(), torch.randn(BATCH, 6, KEYS, VALUES).double()
    q_BHTK, k_BHTK = q_BGTK[:, [0, 0, 0, 1, 1, 1]], k_BGTK[:, [0, 0, 0, 1, 1, 1]]
    grouped = linear_attention_chunk(q_BGTK, k_BGTK, v_BHTV, None, state_BHKV=state_BHKV)
    repeated = linear_attention_chunk(q_BHTK, k_BHTK, v_BHTV, None, state_BHKV=state_BHKV)
    stepped = linear_attention_step(q_BGTK[:, :, 0], k_BGTK[:, :, 0], v_BHTV[:, :, 0], None, state_BHKV)
    first = linear_attention_step(q_BHTK[:, :, 0], k_BHTK[:, :, 0], v_BHTV[:, :, 0], None, state_BHKV)
    for ours, wanted in zip((*grouped, *stepped), (*repeated, *first), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-12, atol=1e-12)


def test_flops_are_counted() -> None:
    """Chunks of 64 tokens; 3 heads of 2 sequences of 100 tokens; keys of 5 and values of 4."""
    q, v = torch.empty(2, 3, 100, 5, device="meta"), torch.empty(2, 3, 100, 4, device="meta")
    state = torch.empty(2, 3, 5, 4, device="meta")
    rest = (None, None, None, None)
    with FlopCounterMode(display=False) as counter:
        torch.ops.frontier.linear_attention_chunk(q, q, v, *rest)
        forward = counter.get_total_flops()
        assert forward == 2 * 600 * (64 * (5 + 4) + 2 * 5 * 4)
        torch.ops.frontier.linear_attention_chunk_backward(v, state, q, q, v, *rest)
        backward = counter.get_total_flops() - forward
        assert backward == 2 * 600 * (64 * (4 * 5 + 2 * 4) + 5 * 5 * 4)
        torch.ops.frontier.linear_attention_step(q[:, :, 0], q[:, :, 0], v[:, :, 0], None, None, None, state)
        assert counter.get_total_flops() - forward - backward == 2 * 6 * 2 * 5 * 4


def test_the_future_changes_nothing_to_the_bit() -> None:
    q_BHTK, k_BHTK, v_BHTV, log_decay_BHT = inputs(50, "slow", torch.float32)
    before, _ = linear_attention_chunk_reference(q_BHTK, k_BHTK, v_BHTV, log_decay_BHT, chunk=16)
    for x_BHT in (q_BHTK, k_BHTK, v_BHTV, log_decay_BHT):
        x_BHT[:, :, 23:] *= 3
    after, _ = linear_attention_chunk_reference(q_BHTK, k_BHTK, v_BHTV, log_decay_BHT, chunk=16)
    assert torch.equal(before[:, :, :23], after[:, :, :23])
    assert not torch.equal(before[:, :, 23:], after[:, :, 23:])


def test_what_does_not_fit_is_named() -> None:
    q_BHTK, k_BHTK, v_BHTV, log_decay_BHT = inputs(9, "slow")
    with pytest.raises(ValueError, match=r"got \(2, 3, 9, 5\), \(2, 3, 9, 5\), \(2, 3, 8, 4\), None"):
        linear_attention_chunk(q_BHTK, k_BHTK, v_BHTV[:, :, 1:], None)
    with pytest.raises(ValueError, match=r"decays \(B, H, T\).*got .*\(2, 3\)"):
        linear_attention_chunk(q_BHTK, k_BHTK, v_BHTV, log_decay_BHT[..., 0])
    with pytest.raises(ValueError, match=r"here \(2, 3, 5, 4\); got \(2, 3, 4, 5\)"):
        linear_attention_chunk(q_BHTK, k_BHTK, v_BHTV, None, state_BHKV=torch.zeros(2, 3, 4, 5))
    with pytest.raises(ValueError, match="chunk: at least one token; got 0"):
        linear_attention_chunk(q_BHTK, k_BHTK, v_BHTV, None, chunk=0)
    with pytest.raises(ValueError, match=r"G divides H.*got \(2, 3, 9, 5\), \(2, 3, 9, 5\), \(2, 4, 9, 4\), None"):
        linear_attention_chunk(q_BHTK, k_BHTK, torch.randn(2, 4, 9, 4, dtype=torch.float64), None)
    with pytest.raises(ValueError, match="one dtype on one device; got q float64 on cpu, k float64 on cpu, v float32"):
        linear_attention_chunk(q_BHTK, k_BHTK, v_BHTV.float(), None)
    with pytest.raises(ValueError, match=r"floating point on one device; got .*int64 on cpu"):
        linear_attention_chunk(q_BHTK, k_BHTK, v_BHTV, log_decay_BHT.long())
