"""Depthwise causal convolution: its definition, its gate and activation, its steps, its FLOPs and what it refuses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from frontier.kernels.causal_conv1d import causal_conv1d, causal_conv1d_reference, causal_conv1d_step


def test_reference_is_the_definition() -> None:
    x_BTC, filter_CK = torch.randn(2, 9, 3), torch.randn(3, 4)
    expected = torch.zeros_like(x_BTC)
    for t in range(9):
        for k in range(4):
            if t - 3 + k >= 0:
                expected[:, t] += x_BTC[:, t - 3 + k] * filter_CK[:, k]
    torch.testing.assert_close(causal_conv1d_reference(x_BTC, filter_CK), expected)


@pytest.mark.parametrize("silu", [False, True], ids=["linear", "silu"])
def test_activation_and_gate_are_what_one_would_write(silu: bool) -> None:
    x_BTC, gate_BTC = torch.randn(2, 2, 9, 3)
    filter_CK = torch.randn(3, 4)
    y_BTC = causal_conv1d(x_BTC, filter_CK)
    y_BTC = F.silu(y_BTC) if silu else y_BTC
    assert torch.equal(causal_conv1d(x_BTC, filter_CK, silu=silu), y_BTC)
    assert torch.equal(causal_conv1d(x_BTC, filter_CK, gate_BTC, silu), F.silu(gate_BTC) * y_BTC)


def test_steps_are_the_whole() -> None:
    x_BTC, gate_BTC = torch.randn(2, 2, 9, 3)
    filter_CK, recent_BKC = torch.randn(3, 4), torch.zeros(2, 3, 3)
    outputs = []
    for t in range(9):
        y_BC, recent_BKC = causal_conv1d_step(x_BTC[:, t], filter_CK, recent_BKC, gate_BTC[:, t], silu=True)
        outputs.append(y_BC)
    torch.testing.assert_close(torch.stack(outputs, dim=1), causal_conv1d(x_BTC, filter_CK, gate_BTC, silu=True))
    assert torch.equal(recent_BKC, x_BTC[:, -3:])


def test_flops_are_counted() -> None:
    x_BTC, filter_CK = torch.empty(2, 9, 3, device="meta"), torch.empty(3, 4, device="meta")
    with FlopCounterMode(display=False) as counter:
        torch.ops.frontier.causal_conv1d(x_BTC, filter_CK, None, True)
        assert counter.get_total_flops() == 2 * 2 * 9 * 3 * 4
        torch.ops.frontier.causal_conv1d_backward(x_BTC, x_BTC, filter_CK, None, True)
        assert counter.get_total_flops() == 3 * (2 * 2 * 9 * 3 * 4)
        torch.ops.frontier.causal_conv1d_step(x_BTC[:, 0], filter_CK, x_BTC[:, :3], None, True)
        assert counter.get_total_flops() == 3 * (2 * 2 * 9 * 3 * 4) + 2 * 2 * 3 * 4


def test_what_does_not_fit_is_named() -> None:
    x_BTC, filter_CK = torch.randn(2, 9, 3), torch.randn(3, 4)
    with pytest.raises(ValueError, match=r"got \(2, 9, 3\) and \(4, 4\)"):
        causal_conv1d(x_BTC, torch.randn(4, 4))
    with pytest.raises(ValueError, match=r"and a gate \(2, 8, 3\)"):
        causal_conv1d(x_BTC, filter_CK, x_BTC[:, 1:])
    with pytest.raises(ValueError, match=r"T at least 1.*got \(2, 0, 3\)"):
        causal_conv1d(x_BTC[:, :0], filter_CK)
    with pytest.raises(ValueError, match=r"one dtype on one device; got x float32 on cpu, filter float64 on cpu"):
        causal_conv1d(x_BTC, filter_CK.double())
    with pytest.raises(ValueError, match="floating point; got x int64"):
        causal_conv1d(x_BTC.long(), filter_CK.long())
