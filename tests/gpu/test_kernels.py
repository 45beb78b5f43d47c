"""Kernels on the GPU against float64, bfloat16 among the dtypes: forward, gradients, the same bits every time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from frontier.kernels.causal_conv1d import causal_conv1d, causal_conv1d_reference
from frontier.kernels.linear_attention_chunk import linear_attention_chunk, linear_attention_recurrence
from frontier.kernels.moe_mlp import moe_mlp, moe_mlp_reference
from frontier.kernels.mohd import mohd_read, mohd_read_reference, mohd_write, mohd_write_reference

from ..kernels import test_moe_mlp as moe
from ..kernels import test_mohd as mohd

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
# One token, odd tokens, more channels than a tile, a filter longer than the sequence, many tiles.
CONVOLUTIONS = [(1, 1, 1, 2), (2, 63, 5, 4), (1, 33, 100, 3), (1, 9, 3, 15), (3, 1000, 333, 7)]

pytestmark = pytest.mark.usefixtures("on_gpu")


def assert_as_exact(exact: Tensor, plain: Tensor, ours: Tensor, roundings: int = 1) -> None:
    """At most twice the error of plain torch in the same dtype, and some roundings of the largest entry."""
    rounding = roundings * torch.finfo(ours.dtype).eps * exact.abs().max()
    assert ours.isfinite().all()
    assert (ours.double() - exact).abs().max() <= 2 * (plain.double() - exact).abs().max() + rounding


def convolved(function: object, x: Tensor, w: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    y = function(x, w)
    return (y.detach(), *torch.autograd.grad(y, (x, w), g))


@pytest.mark.parametrize("size", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_causal_convolution(size: tuple[int, ...], dtype: torch.dtype) -> None:
    batch, tokens, channels, kernel_size = size
    x, g = torch.randn(2, batch, tokens, channels).to(dtype)
    w = torch.randn(channels, kernel_size).to(dtype)
    exact = convolved(causal_conv1d_reference, x.double(), w.double(), g.double())
    plain = convolved(causal_conv1d_reference, x, w, g)
    ours, again = (convolved(causal_conv1d, x, w, g) for _ in range(2))
    for e, p, o, a in zip(exact, plain, ours, again, strict=True):
        assert torch.equal(o, a)
        assert_as_exact(e, p, o)


@pytest.mark.parametrize("size", moe.SIZES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_experts(size: tuple[int, ...], dtype: torch.dtype) -> None:
    parts, chosen_NK = moe.inputs(size, dtype)
    grad = torch.randn(size[:2], dtype=dtype)
    doubles = [part.detach().double().requires_grad_() for part in parts]
    exact = moe.with_gradients(moe_mlp_reference, doubles, chosen_NK, grad.double())
    plain = moe.with_gradients(moe_mlp_reference, parts, chosen_NK, grad)
    for e, p, o in zip(exact, plain, moe.with_gradients(moe_mlp, parts, chosen_NK, grad), strict=True):
        assert_as_exact(e, p, o, moe.ROUNDINGS)


@pytest.mark.parametrize("size", mohd.SIZES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_groups_of_the_hidden_dimension(size: tuple[int, ...], dtype: torch.dtype) -> None:
    read, write, chosen_NK = mohd.inputs(size, dtype)
    rest = (chosen_NK, size[3], size[2])
    for parts, grouped, masked in (
        (read, mohd_read, mohd_read_reference),
        (write, mohd_write, mohd_write_reference),
    ):
        exact = mohd.with_gradients(masked, [part.detach().double().requires_grad_() for part in parts], rest)
        plain = mohd.with_gradients(masked, parts, rest)
        for e, p, o in zip(exact, plain, mohd.with_gradients(grouped, parts, rest), strict=True):
            assert_as_exact(e, p, o, mohd.ROUNDINGS)


@pytest.mark.parametrize("decays", [False, True], ids=["no-decay", "decay"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_linear_attention_in_chunks(dtype: torch.dtype, decays: bool) -> None:
    q, k = (torch.randn(2, 2, 3, 63, 16) / 4).to(dtype)
    v = torch.randn(2, 3, 63, 8).to(dtype)
    log_decay = -0.05 * torch.rand(2, 3, 63) if decays else None
    exact, _ = linear_attention_recurrence(
        q.double(), k.double(), v.double(), None if log_decay is None else log_decay.double()
    )
    cast = None if log_decay is None else log_decay.to(dtype)
    plain, _ = linear_attention_recurrence(q, k, v, cast)
    ours, _ = linear_attention_chunk(q, k, v, cast, chunk=16)
    assert_as_exact(exact, plain, ours, roundings=8)
