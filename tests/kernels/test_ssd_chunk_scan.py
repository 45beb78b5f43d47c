"""The scan of a state space: its definition written out, its parts, and what it refuses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from frontier.kernels.ssd_chunk_scan import ssd_chunk_scan, ssd_step

BATCH, TOKENS, HEADS, HEAD_SIZE, GROUPS, STATE_SIZE = 2, 41, 6, 4, 2, 5


def inputs() -> tuple[Tensor, ...]:
    x_BTHP = torch.randn(BATCH, TOKENS, HEADS, HEAD_SIZE, dtype=torch.float64)
    k_BTGN, q_BTGN = torch.randn(2, BATCH, TOKENS, GROUPS, STATE_SIZE, dtype=torch.float64)
    time_step_BTH = F.softplus(torch.randn(BATCH, TOKENS, HEADS, dtype=torch.float64))
    return x_BTHP, k_BTGN, q_BTGN, time_step_BTH, -torch.rand(HEADS, dtype=torch.float64)


def test_it_is_the_definition() -> None:
    x, k, q, dt, rate = inputs()
    skip = torch.randn(HEADS).double()
    before = torch.randn(BATCH, HEADS, STATE_SIZE, HEAD_SIZE, dtype=torch.float64)
    y, after = ssd_chunk_scan(x, k, q, dt, rate, skip, before)
    for b in range(BATCH):
        for h in range(HEADS):
            group, state = h // (HEADS // GROUPS), before[b, h]
            for t in range(TOKENS):
                state = (rate[h] * dt[b, t, h]).exp() * state + dt[b, t, h] * torch.outer(k[b, t, group], x[b, t, h])
                torch.testing.assert_close(y[b, t, h], q[b, t, group] @ state + skip[h] * x[b, t, h])
            torch.testing.assert_close(after[b, h], state)


def test_steps_are_the_whole() -> None:
    x, k, q, dt, rate = inputs()
    skip, state = torch.randn(HEADS).double(), torch.zeros(BATCH, HEADS, STATE_SIZE, HEAD_SIZE, dtype=torch.float64)
    whole, last = ssd_chunk_scan(x, k, q, dt, rate, skip)
    for t in range(TOKENS):
        y, state = ssd_step(x[:, t], k[:, t], q[:, t], dt[:, t], rate, state, skip)
        torch.testing.assert_close(y, whole[:, t])
    torch.testing.assert_close(state, last)


def test_what_does_not_fit_is_named() -> None:
    x, k, q, dt, rate = inputs()
    with pytest.raises(ValueError, match=r"G divides H.*got \(2, 41, 5, 4\), \(2, 41, 2, 5\), \(2, 41, 2, 5\)"):
        ssd_chunk_scan(x[:, :, 1:], k, q, dt[:, :, 1:], rate[1:])
    with pytest.raises(ValueError, match=r"rates and skips \(H\); got .*, \(5,\)$"):
        ssd_chunk_scan(x, k, q, dt, rate[1:])
    with pytest.raises(ValueError, match=r"here \(2, 6, 5, 4\); got \(2, 6, 4, 5\)"):
        ssd_chunk_scan(x, k, q, dt, rate, state_BHNP=torch.zeros(2, 6, 4, 5))
    with pytest.raises(ValueError, match="one dtype on one device; got x float32 on cpu, k float64 on cpu"):
        ssd_chunk_scan(x.float(), k, q, dt, rate)
