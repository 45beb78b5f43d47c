"""Feed-forward in blocks of tokens: what the conformance suite does not ask of it, most of all its memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from frontier.kernels.fused_ffn import CPU_TOKENS, fused_ffn, fused_ffn_reference
from frontier.latency_models.measuring.measured_memory import cpu_peak_bytes

WIDTH, INNER, BLOCK = 16, 512, 32


def weights(width: int = WIDTH, inner: int = INNER, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    shapes = [(inner, width), (inner, width), (width, inner)]
    return [torch.randn(shape, dtype=dtype).requires_grad_() for shape in shapes]


def peak_bytes(function: Callable[..., Tensor], tokens: int, backward: bool, *rest: object) -> int:
    parts, x = weights(), torch.randn(tokens, WIDTH).requires_grad_()

    def step() -> None:
        with torch.set_grad_enabled(backward):
            y = function(x, *parts, *rest)
        if backward:
            torch.autograd.grad(y, (x, *parts), torch.ones_like(y))

    return cpu_peak_bytes(lambda: step)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_memory_does_not_grow_with_the_hidden_activations(backward: bool) -> None:
    fewer, more = 8 * BLOCK, 16 * BLOCK
    grown = peak_bytes(fused_ffn, more, backward, "silu", BLOCK) - peak_bytes(fused_ffn, fewer, backward, "silu", BLOCK)
    plain = peak_bytes(fused_ffn_reference, more, backward, "silu") - peak_bytes(
        fused_ffn_reference, fewer, backward, "silu"
    )
    # What is as long as the tokens are: their outputs, cotangents and gradients, and half again.
    assert grown <= 4 * 4 * (more - fewer) * WIDTH * 1.5
    assert plain >= 2 * 4 * (more - fewer) * INNER
    assert grown < plain / 10


@pytest.mark.parametrize("activation", ["silu", "gelu", "squared_relu"])
@pytest.mark.parametrize("gated", [True, False], ids=["gated", "not-gated"])
def test_gradients_are_those_of_finite_differences(activation: str, gated: bool) -> None:
    gate, up, down = weights(3, 5, torch.float64)
    x = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    parts = [x, gate, up, down] if gated else [x, up, down]

    def run(x: Tensor, *rest: Tensor) -> Tensor:
        return fused_ffn(x, *(rest if gated else (None, *rest)), activation, 3)

    assert torch.autograd.gradcheck(run, parts)


@pytest.mark.parametrize("tokens", [CPU_TOKENS, CPU_TOKENS + 1])
def test_only_more_tokens_than_a_block_take_blocks(tokens: int) -> None:
    x, parts = torch.randn(tokens, WIDTH), weights()
    with FlopCounterMode(display=False) as counter:
        y = fused_ffn(x, *parts)
    by_blocks = torch.ops.frontier.fused_ffn in counter.get_flop_counts()["Global"]
    assert by_blocks == (tokens > CPU_TOKENS)
    torch.testing.assert_close(y, fused_ffn_reference(x, *parts, "silu"), atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("shape", [(0, 4), (2, 0, 4)])
def test_no_tokens_give_no_output(shape: tuple[int, ...]) -> None:
    parts, x = weights(4, 6), torch.randn(shape, requires_grad=True)
    y = fused_ffn(x, *parts, "silu", 2)
    y.sum().backward()
    assert y.shape == shape
    assert all(part.grad.count_nonzero() == 0 for part in parts)


@pytest.mark.parametrize("gated", [True, False], ids=["gated", "not-gated"])
def test_flops_are_those_of_the_products(gated: bool) -> None:
    gate, up, down = weights(4, 6)
    x = torch.randn(10, 4, requires_grad=True)
    products = 3 if gated else 2
    with FlopCounterMode(display=False) as counter:
        y = fused_ffn(x, gate if gated else None, up, down, "gelu", 4)
    assert counter.get_total_flops() == 2 * 10 * 4 * 6 * products
    with FlopCounterMode(display=False) as counter:
        y.sum().backward()
    assert counter.get_total_flops() == 2 * 10 * 4 * 6 * (3 * products - 1)


def test_autocast_runs_it_in_bfloat16() -> None:
    x, parts = torch.randn(9, WIDTH), weights()
    with torch.autocast("cpu", torch.bfloat16):
        assert fused_ffn(x, *parts, "silu", 4).dtype == torch.bfloat16


def test_what_does_not_fit_is_named() -> None:
    x, (gate, up, down) = torch.randn(9, 4), weights(4, 6)
    with pytest.raises(ValueError, match=r"got \(9, 4\), None, \(6, 4\), \(4, 5\)"):
        fused_ffn(x, None, up, down[:, :5])
    with pytest.raises(ValueError, match="knows the activations silu, gelu, squared_relu; got tanh"):
        fused_ffn(x, gate, up, down, "tanh")
    with pytest.raises(ValueError, match="blocks of at least one token; got 0"):
        fused_ffn(x, gate, up, down, "silu", 0)
    with pytest.raises(ValueError, match="one dtype on one device; got x float64 on cpu, gate float32 on cpu"):
        fused_ffn(x.double(), gate, up, down, "silu", 4)
