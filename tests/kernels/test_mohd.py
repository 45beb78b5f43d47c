"""Reading and writing groups of the hidden dimension: what the conformance suite does not see."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from frontier.kernels.mohd import by_torch, mohd_read, mohd_read_reference, mohd_write, mohd_write_reference

from .case import Case
from .cases.mohd import CASES, read_inputs, write_inputs
from .suite import as_exact, same_bits

# tokens, groups, group size, shared, routed, columns: one token, nothing shared, nothing routed, all active, odd.
SIZES = [(1, 4, 2, 0, 1, 3), (13, 4, 3, 3, 0, 5), (9, 5, 1, 2, 3, 7), (9, 8, 3, 1, 2, 1)]
LARGE = (1000, 6, 7, 3, 1, 33)
WAYS = {"masked": 2**62, "sorted": 0}

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """On a CPU, either of the two for every size."""
    monkeypatch.setattr(by_torch, "LEAST_SAVED", WAYS[request.param])
    return request.param


def read_by_definition(u: Tensor, weight: Tensor, multiplier: Tensor, chosen: Tensor, shared: int, size: int) -> Tensor:
    """Token by token, group by group."""
    h_NO = u.new_zeros(len(u), len(weight))
    for n, routed in enumerate(chosen.tolist()):
        for a, group in enumerate([*range(shared), *routed]):
            part = slice(group * size, (group + 1) * size)
            h_NO[n] += multiplier[n, a] * (weight[:, part] @ u[n, part])
    return h_NO


def write_by_definition(a: Tensor, weight: Tensor, chosen: Tensor, shared: int, size: int) -> Tensor:
    y_ND = a.new_zeros(len(a), len(weight))
    for n, routed in enumerate(chosen.tolist()):
        for group in [*range(shared), *routed]:
            part = slice(group * size, (group + 1) * size)
            y_ND[n, part] = weight[part] @ a[n]
    return y_ND


@pytest.mark.parametrize("size", [*SIZES, LARGE], ids=str)
@pytest.mark.usefixtures("way")
def test_they_do_what_their_definitions_say(size: tuple[int, ...]) -> None:
    read, rest = read_inputs(size, torch.float64)
    exact = read_by_definition(*read, *rest)
    for function in (mohd_read, mohd_read_reference):
        torch.testing.assert_close(function(*read, *rest), exact)
    write, rest = write_inputs(size, torch.float64)
    exact = write_by_definition(*write, *rest)
    for function in (mohd_write, mohd_write_reference):
        torch.testing.assert_close(function(*write, *rest), exact)


def test_read_gives_the_golden_values() -> None:
    """Two tokens, four groups of two columns, the first shared, one routed, each by its score over their mean score."""

    def waves(k: int, *shape: int) -> Tensor:
        n = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
        return torch.sin(0.7 * n + 0.3 + k).view(shape)

    u_ND, router_GD, weight_DO = waves(1, 2, 8), waves(2, 4, 8), waves(3, 8, 3)
    score_NG = (u_ND @ router_GD.T).softmax(dim=1)
    chosen_NK = score_NG[:, 1:].argmax(dim=1, keepdim=True) + 1
    gate_NA = torch.cat((score_NG[:, :1], score_NG.gather(1, chosen_NK)), dim=1)
    h_NO = mohd_read(u_ND, weight_DO.T, 4 * gate_NA / gate_NA.sum(dim=1, keepdim=True), chosen_NK, 1, 2)
    golden = torch.tensor([[-1.482610, -3.223028, -3.447606], [-2.305978, -2.911623, -2.147887]], dtype=torch.float64)
    torch.testing.assert_close(h_NO, golden, atol=1e-6, rtol=0)


@each_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.usefixtures("way")
def test_both_ways_are_as_exact_as_masked_dense(case: Case, dtype: torch.dtype) -> None:
    for size in (*case.sizes, LARGE):
        as_exact(case, size, dtype)


@each_case
@pytest.mark.usefixtures("way")
def test_two_runs_give_the_same_bits(case: Case) -> None:
    same_bits(case, LARGE, torch.float32, times=2)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.usefixtures("way")
def test_gradients_are_those_of_finite_differences(size: tuple[int, ...]) -> None:
    for function, make in ((mohd_read, read_inputs), (mohd_write, write_inputs)):
        tensors, rest = make(size, torch.float64)
        leaves = [tensor.detach().requires_grad_() for tensor in tensors]
        assert torch.autograd.gradcheck(lambda *given, function=function, rest=rest: function(*given, *rest), leaves)


def test_the_way_depends_on_shapes_alone() -> None:
    """Small products are taken whole; large ones group by group, where that saves enough for every routed group."""
    for tokens, way in ((1, by_torch.Masked), (128, by_torch.Masked), (2048, by_torch.Sorted)):
        chosen_NK = torch.randint(3, 8, (tokens, 1))
        assert type(by_torch.by_torch(chosen_NK, 256, 256, 3, 32)) is way


@pytest.mark.usefixtures("way")
def test_columns_outside_the_groups_are_zero() -> None:
    y_ND = mohd_write(torch.rand(3, 5), torch.rand(8, 5), torch.tensor([[1], [3], [2]]), 1, 2)
    active = y_ND.view(3, 4, 2).abs().sum(dim=2) > 0
    assert active.tolist() == [[True, True, False, False], [True, False, False, True], [True, False, True, False]]


@pytest.mark.usefixtures("way")
def test_a_group_that_nobody_chose_gets_a_gradient_of_zero() -> None:
    (u_ND, weight_OD, multiplier_NA), _ = read_inputs((4, 4, 3, 1, 1, 5), torch.float32)
    weight_OD = weight_OD.detach().requires_grad_()
    mohd_read(u_ND, weight_OD, multiplier_NA, torch.tensor([[3], [1], [3], [1]]), 1, 3).sum().backward()
    by_group = weight_OD.grad.view(5, 4, 3).abs().sum(dim=(0, 2))
    assert (by_group > 0).tolist() == [True, True, False, True]


@pytest.mark.usefixtures("way")
def test_no_tokens_give_no_rows_and_gradients_of_zero() -> None:
    for function, make in ((mohd_read, read_inputs), (mohd_write, write_inputs)):
        tensors, rest = make((0, 4, 2, 1, 1, 3), torch.float32)
        leaves = [tensor.detach().requires_grad_() for tensor in tensors]
        y = function(*leaves, *rest)
        y.sum().backward()
        assert len(y) == 0
        assert not leaves[1].grad.any()


def test_autocast_runs_in_its_dtype() -> None:
    for function, make in ((mohd_read, read_inputs), (mohd_write, write_inputs)):
        tensors, rest = make((3, 4, 2, 1, 1, 5), torch.float32)
        tensors[0] = tensors[0].to(torch.bfloat16)
        with torch.autocast("cpu", torch.bfloat16):
            assert function(*tensors, *rest).dtype == torch.bfloat16


def test_flops_are_those_of_the_active_groups() -> None:
    for function, make in ((mohd_read, read_inputs), (mohd_write, write_inputs)):
        tensors, rest = make((10, 8, 4, 3, 2, 6), torch.float32)
        leaves = [tensor.detach().requires_grad_() for tensor in tensors]
        with FlopCounterMode(display=False) as counter:
            y = function(*leaves, *rest)
            forward = counter.get_total_flops()
            y.sum().backward()
        assert forward == 2 * 10 * 6 * 4 * (3 + 2)
        assert counter.get_total_flops() == 3 * forward


Refused = Callable[[], Tensor]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: mohd_read(torch.rand(10, 32), torch.rand(6, 32), torch.rand(10, 5), torch.full((10, 2), 7), 2, 4),
            r"got \(10, 32\), \(6, 32\), \(10, 5\), \(10, 2\), 2 shared and groups of 4",
        ),
        (
            lambda: mohd_write(torch.rand(10, 6), torch.rand(32, 6), torch.full((10, 2), 7), 3, 5),
            r"got \(10, 6\), \(32, 6\), \(10, 2\), 3 shared and groups of 5",
        ),
        (
            lambda: mohd_write(torch.rand(10, 6), torch.rand(32, 6), torch.full((10, 6), 7), 3, 4),
            r"at most all groups; got \(10, 6\), \(32, 6\), \(10, 6\), 3 shared and groups of 4",
        ),
        (
            lambda: mohd_write(torch.rand(10, 6), torch.rand(32, 6), torch.rand(10, 2), 3, 4),
            r"chosen of int64; got .*, of torch.float32",
        ),
        (
            lambda: mohd_write(torch.rand(10, 6), torch.rand(32, 6).half(), torch.full((10, 2), 7), 3, 4),
            r"mohd_write takes operands of one dtype on one device; got a float32 on cpu, weight float16 on cpu",
        ),
    ],
    ids=["multiplier", "size", "too-many", "chosen", "dtype"],
)
def test_what_does_not_fit_is_named(call: Refused, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
