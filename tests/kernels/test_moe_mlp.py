"""Mixture of SwiGLU experts: the sorted computation against the reference, forward and every gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from frontier.kernels.moe_mlp import moe_mlp, moe_mlp_reference

# tokens, width, experts, inner, top_k: one token, one expert, experts without tokens, all experts, odd everything.
SIZES = [(1, 5, 4, 3, 2), (17, 8, 1, 5, 1), (3, 7, 33, 4, 1), (63, 9, 5, 6, 5), (1000, 16, 7, 11, 3)]
# On the longest way from a token to a gradient: gate, its activation, times up, down, weight.
ROUNDINGS = 5


def inputs(size: tuple[int, ...], dtype: torch.dtype = torch.float64) -> tuple[list[Tensor], Tensor]:
    """What is differentiable (experts as slices of larger ones), and the choices."""
    tokens, width, experts, inner, top_k = size
    larger = [(experts + 2, inner + 1, width + 3)] * 2 + [(experts + 2, width + 3, inner + 1)]
    gate, up, down = (torch.randn(shape, dtype=dtype) for shape in larger)
    parts = [
        torch.randn(tokens, width, dtype=dtype),
        gate[:experts, :inner, :width],
        up[:experts, :inner, :width],
        down[:experts, :width, :inner],
        torch.rand(tokens, top_k, dtype=dtype),
    ]
    chosen_NK = torch.rand(tokens, experts).argsort(dim=1)[:, :top_k]
    return [part.requires_grad_() for part in parts], chosen_NK


def with_gradients(function: object, parts: list[Tensor], chosen_NK: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
    y_ND = function(*parts, chosen_NK)
    return (y_ND.detach(), *torch.autograd.grad(y_ND, parts, grad))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_sorted_is_as_exact_as_the_reference(size: tuple[int, ...], dtype: torch.dtype) -> None:
    parts, chosen_NK = inputs(size, dtype)
    grad = torch.randn(size[:2], dtype=dtype)
    exact = with_gradients(
        moe_mlp_reference, [part.detach().double().requires_grad_() for part in parts], chosen_NK, grad.double()
    )
    plain = with_gradients(moe_mlp_reference, parts, chosen_NK, grad)
    for e, p, ours in zip(exact, plain, with_gradients(moe_mlp, parts, chosen_NK, grad), strict=True):
        # Where a tensor has a handful of entries, the reference may round all of them the right way by luck.
        rounding = ROUNDINGS * torch.finfo(dtype).eps * e.abs().max()
        assert (ours.double() - e).abs().max() <= 2 * (p.double() - e).abs().max() + rounding


@pytest.mark.parametrize("size", SIZES[:3], ids=str)
def test_gradients_are_those_of_finite_differences(size: tuple[int, ...]) -> None:
    parts, chosen_NK = inputs(size)
    assert torch.autograd.gradcheck(lambda *given: moe_mlp(*given, chosen_NK), parts)


def test_two_runs_give_the_same_bits() -> None:
    parts, chosen_NK = inputs(SIZES[-1], torch.float32)
    grad = torch.randn(SIZES[-1][:2])
    runs = [with_gradients(moe_mlp, parts, chosen_NK, grad) for _ in range(2)]
    assert all(torch.equal(first, second) for first, second in zip(*runs, strict=True))


def test_an_expert_without_tokens_gets_a_gradient_of_zero() -> None:
    parts, _ = inputs((6, 5, 4, 3, 1))
    chosen_NK = torch.tensor([[0], [2], [2], [0], [2], [0]])
    moe_mlp(*parts, chosen_NK).sum().backward()
    for weight in parts[1:4]:
        assert weight.grad[[1, 3]].count_nonzero() == 0
        assert weight.grad[[0, 2]].count_nonzero() > 0


def test_the_operator_obeys_torch() -> None:
    parts, chosen_NK = inputs(SIZES[0])
    torch.library.opcheck(torch.ops.frontier.moe_mlp.default, (*parts, chosen_NK))


def test_flops_are_those_of_the_chosen_experts() -> None:
    parts, chosen_NK = inputs((10, 8, 6, 4, 2))
    with FlopCounterMode(display=False) as counter:
        moe_mlp(*parts, chosen_NK)
    assert counter.get_total_flops() == 2 * 10 * 2 * 3 * 8 * 4


def test_shapes_that_do_not_fit_are_named() -> None:
    parts, chosen_NK = inputs((10, 8, 6, 4, 2))
    with pytest.raises(ValueError, match=r"got \(10, 8\), \(6, 4, 8\), .*, \(10, 2\), \(9, 2\)"):
        moe_mlp(*parts, chosen_NK[1:])
