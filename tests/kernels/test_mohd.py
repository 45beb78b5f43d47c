"""Reading and writing groups of the hidden dimension: the grouped computation against the masked dense product."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from frontier.kernels.mohd import mohd_read, mohd_read_reference, mohd_write, mohd_write_reference

# tokens, groups, group size, shared, routed, columns: one token, nothing shared, nothing routed, all active, odd.
SIZES = [(1, 4, 2, 0, 1, 3), (13, 4, 3, 3, 0, 5), (63, 5, 1, 2, 3, 7), (9, 8, 3, 1, 2, 1), (1000, 6, 7, 3, 1, 33)]
# The multiplier, the product, the sum over groups.
ROUNDINGS = 3
Function = Callable[..., Tensor]


def inputs(size: tuple[int, ...], dtype: torch.dtype = torch.float64) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Operands of a read and of a write (weights as slices of larger ones), and the choices."""
    tokens, groups, group_size, shared, routed, columns = size
    width = groups * group_size
    weight_OD = torch.randn(columns + 2, width + group_size, dtype=dtype)[:columns, :width]
    weight_DO = torch.randn(width + group_size, columns + 2, dtype=dtype)[:width, :columns]
    chosen_NK = torch.rand(tokens, groups - shared).argsort(dim=1)[:, :routed] + shared
    read = [torch.randn(tokens, width, dtype=dtype), weight_OD, torch.rand(tokens, shared + routed, dtype=dtype)]
    write = [torch.randn(tokens, columns, dtype=dtype), weight_DO]
    return [part.requires_grad_() for part in read], [part.requires_grad_() for part in write], chosen_NK


def with_gradients(function: Function, parts: list[Tensor], rest: tuple) -> tuple[Tensor, ...]:
    y = function(*parts, *rest)
    grad = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).view(y.shape).to(y.dtype)
    return (y.detach(), *torch.autograd.grad(y, parts, grad))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("direction", ["read", "write"])
def test_grouped_is_as_exact_as_masked_dense(size: tuple[int, ...], dtype: torch.dtype, direction: str) -> None:
    read, write, chosen_NK = inputs(size, dtype)
    parts, grouped, masked = (
        (read, mohd_read, mohd_read_reference) if direction == "read" else (write, mohd_write, mohd_write_reference)
    )
    rest = (chosen_NK, size[3], size[2])
    exact = with_gradients(masked, [part.detach().double().requires_grad_() for part in parts], rest)
    plain = with_gradients(masked, parts, rest)
    for e, p, ours in zip(exact, plain, with_gradients(grouped, parts, rest), strict=True):
        # Where a tensor has a handful of entries, the reference may round all of them the right way by luck.
        rounding = ROUNDINGS * torch.finfo(dtype).eps * e.abs().max()
        assert (ours.double() - e).abs().max() <= 2 * (p.double() - e).abs().max() + rounding


@pytest.mark.parametrize("size", SIZES[:4], ids=str)
def test_gradients_are_those_of_finite_differences(size: tuple[int, ...]) -> None:
    read, write, chosen_NK = inputs((min(size[0], 9), *size[1:]))
    rest = (chosen_NK, size[3], size[2])
    assert torch.autograd.gradcheck(lambda *given: mohd_read(*given, *rest), read)
    assert torch.autograd.gradcheck(lambda *given: mohd_write(*given, *rest), write)


def test_columns_outside_the_groups_are_zero() -> None:
    _, (a_NO, weight_DO), _ = inputs((3, 4, 2, 1, 1, 5))
    y_ND = mohd_write(a_NO, weight_DO, torch.tensor([[1], [3], [2]]), 1, 2)
    active = y_ND.view(3, 4, 2).abs().sum(dim=2) > 0
    assert active.tolist() == [[True, True, False, False], [True, False, False, True], [True, False, True, False]]


def test_a_group_that_nobody_chose_gets_a_gradient_of_zero() -> None:
    (u_ND, weight_OD, multiplier_NA), _, _ = inputs((4, 4, 3, 1, 1, 5))
    mohd_read(u_ND, weight_OD, multiplier_NA, torch.tensor([[3], [1], [3], [1]]), 1, 3).sum().backward()
    by_group = weight_OD.grad.view(5, 4, 3).abs().sum(dim=(0, 2))
    assert (by_group > 0).tolist() == [True, True, False, True]


def test_two_runs_give_the_same_bits() -> None:
    read, write, chosen_NK = inputs(SIZES[-1], torch.float32)
    for function, parts in ((mohd_read, read), (mohd_write, write)):
        runs = [with_gradients(function, parts, (chosen_NK, 3, 7)) for _ in range(2)]
        assert all(torch.equal(first, second) for first, second in zip(*runs, strict=True))


def test_the_operators_obey_torch() -> None:
    read, write, chosen_NK = inputs(SIZES[0])
    torch.library.opcheck(torch.ops.frontier.mohd_read.default, (*read, chosen_NK, 0, 2))
    torch.library.opcheck(torch.ops.frontier.mohd_write.default, (*write, chosen_NK, 0, 2))


def test_flops_are_those_of_the_active_groups() -> None:
    read, write, chosen_NK = inputs((10, 8, 4, 3, 2, 6))
    for function, parts in ((mohd_read, read), (mohd_write, write)):
        with FlopCounterMode(display=False) as counter:
            function(*parts, chosen_NK, 3, 4)
        assert counter.get_total_flops() == 2 * 10 * 6 * 4 * (3 + 2)


def test_shapes_that_do_not_fit_are_named() -> None:
    read, write, chosen_NK = inputs((10, 8, 4, 3, 2, 6))
    with pytest.raises(ValueError, match=r"got \(10, 32\), \(6, 32\), \(10, 5\), \(10, 2\), 2 shared and groups of 4"):
        mohd_read(*read, chosen_NK, 2, 4)
    with pytest.raises(ValueError, match=r"got \(10, 6\), \(32, 6\), \(10, 2\), 3 shared and groups of 5"):
        mohd_write(*write, chosen_NK, 3, 5)
