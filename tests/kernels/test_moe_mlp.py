"""Mixture of SwiGLU experts: what the conformance suite does not ask of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from frontier.kernels.grouping import grouped, places
from frontier.kernels.moe_mlp import library, moe_mlp, moe_mlp_backend, moe_mlp_reference
from frontier.kernels.moe_mlp import operator as choosing

from .cases import moe_mlp as cases

# One token, one expert, most experts without tokens.
SIZES = [(1, 5, 4, 3, 2), (17, 8, 1, 5, 1), (3, 7, 33, 4, 1)]


def inputs(size: tuple[int, ...], dtype: torch.dtype = torch.float64) -> tuple[list[Tensor], Tensor]:
    """What is differentiable, and the choices."""
    tensors, (chosen_NK,) = cases.inputs(size, dtype)
    return [tensor.requires_grad_() for tensor in tensors], chosen_NK


def with_gradients(function: object, parts: list[Tensor], chosen_NK: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
    y_ND = function(*parts, chosen_NK)
    return (y_ND.detach(), *torch.autograd.grad(y_ND, parts, grad))


def test_it_is_the_sum_that_it_says() -> None:
    (x_ND, gate_EFD, up_EFD, down_EDF, weight_NK), chosen_NK = inputs((4, 3, 5, 2, 2))
    y_ND = moe_mlp(x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK)
    for n in range(4):
        total = torch.zeros(3, dtype=torch.float64)
        for k in range(2):
            expert = int(chosen_NK[n, k])
            before = gate_EFD[expert] @ x_ND[n]
            inner = before / (1 + (-before).exp()) * (up_EFD[expert] @ x_ND[n])
            total = total + weight_NK[n, k] * (down_EDF[expert] @ inner)
        torch.testing.assert_close(y_ND[n], total)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gradients_are_those_of_finite_differences(size: tuple[int, ...]) -> None:
    parts, chosen_NK = inputs(size)
    assert torch.autograd.gradcheck(lambda *given: moe_mlp(*given, chosen_NK), parts)


def test_an_expert_without_tokens_gets_a_gradient_of_zero() -> None:
    parts, _ = inputs((6, 5, 4, 3, 1))
    chosen_NK = torch.tensor([[0], [2], [2], [0], [2], [0]])
    moe_mlp(*parts, chosen_NK).sum().backward()
    for weight in parts[1:4]:
        assert weight.grad[[1, 3]].count_nonzero() == 0
        assert weight.grad[[0, 2]].count_nonzero() > 0


# Torch multiplies rows that begin at multiples of 16 bytes: one expert, most without tokens, all of them, some.
ALIGNED = [(17, 8, 1, 4, 1), (3, 8, 33, 4, 1), (63, 12, 5, 8, 5), (9, 8, 4, 16, 2)]


@pytest.mark.parametrize("size", ALIGNED, ids=str)
def test_torchs_grouped_product_says_the_same(size: tuple[int, ...]) -> None:
    """The library's way, which a GPU may take, on what torch runs of it on a CPU."""
    parts, chosen_NK = inputs(size, torch.float32)
    grad = torch.randn(size[:2])
    expected = with_gradients(moe_mlp_reference, parts, chosen_NK, grad)
    x, gate, up, down, weight = (part.detach().contiguous() for part in parts)
    groups = grouped(chosen_NK, size[2])
    place_NK = places(groups).view(chosen_NK.shape)
    y_MD = library.forward(x, gate, up, down, groups, size[4])
    grad_x_MD, *grads, grad_weight_M = library.backward(grad, x, gate, up, down, weight, groups)
    y_ND, grad_x_ND = (y_MD[place_NK] * weight.unsqueeze(2)).sum(dim=1), grad_x_MD[place_NK].sum(dim=1)
    for ours, truth in zip((y_ND, grad_x_ND, *grads, grad_weight_M[place_NK]), expected, strict=True):
        torch.testing.assert_close(ours, truth, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_it_says_what_it_runs_on(backward: bool) -> None:
    parts, chosen_NK = inputs((10, 8, 6, 4, 2), torch.float32)
    expected = "triton" if choosing.by_triton(parts[0]) else "torch"
    assert moe_mlp_backend(*parts, chosen_NK, backward=backward) == expected


def test_the_library_is_never_the_default_and_only_where_it_fits() -> None:
    for (_, _, fits), tuning in choosing.TUNINGS.items():
        assert tuning.configs[0] != choosing.LIBRARY
        assert (choosing.LIBRARY in tuning.configs) == fits
    parts, _ = inputs((10, 8, 6, 4, 2), torch.bfloat16)
    assert not library.fits(*parts[:4])


def test_every_choice_has_its_place() -> None:
    chosen_NK = torch.tensor([[2, 0], [0, 2], [3, 2]])
    groups = grouped(chosen_NK, 5)
    assert groups.order_M.tolist() == [1, 2, 0, 3, 5, 4]
    assert groups.begins_G1.tolist() == [0, 2, 2, 5, 6, 6]
    assert groups.order_M[places(groups)].tolist() == [0, 1, 2, 3, 4, 5]


def test_no_tokens_give_no_output_and_gradients_of_zero() -> None:
    parts, chosen_NK = inputs((0, 8, 6, 4, 2), torch.float32)
    y_ND = moe_mlp(*parts, chosen_NK)
    y_ND.sum().backward()
    assert y_ND.shape == (0, 8)
    assert all(part.grad.count_nonzero() == 0 for part in parts)


def test_flops_are_those_of_the_chosen_experts() -> None:
    parts, chosen_NK = inputs((10, 8, 6, 4, 2))
    with FlopCounterMode(display=False) as counter:
        moe_mlp(*parts, chosen_NK)
    assert counter.get_total_flops() == 2 * 10 * 2 * 3 * 8 * 4


def test_what_does_not_fit_is_named() -> None:
    parts, chosen_NK = inputs((10, 8, 6, 4, 2), torch.float32)
    with pytest.raises(ValueError, match=r"got \(10, 8\), \(6, 4, 8\), .*, \(10, 2\), \(9, 2\)"):
        moe_mlp(*parts, chosen_NK[1:])
    with pytest.raises(ValueError, match="one dtype on one device; got x float64 on cpu, gate float32 on cpu"):
        moe_mlp(parts[0].double(), *parts[1:], chosen_NK)
    with pytest.raises(ValueError, match="chosen in int64 or int32; got int16"):
        moe_mlp(*parts, chosen_NK.short())
