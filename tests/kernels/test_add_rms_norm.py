"""What the suite cannot say of the residual and RMS norm: the definition, views, autocast, refusals."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from frontier.kernels.add_rms_norm import add_rms_norm, add_rms_norm_reference


def test_the_reference_is_the_definition() -> None:
    x, residual, weight = torch.randn(3, 5), torch.randn(3, 5), torch.randn(5)
    normed, total = add_rms_norm_reference(x, residual, weight, 1e-3)
    for row in range(3):
        s = [float(x[row, d] + residual[row, d]) for d in range(5)]
        size = (sum(entry**2 for entry in s) / 5 + 1e-3) ** 0.5
        torch.testing.assert_close(
            normed[row], torch.tensor([e / size * float(w) for e, w in zip(s, weight, strict=True)])
        )
    assert torch.equal(total, x + residual)


def test_a_known_row() -> None:
    normed, total = add_rms_norm(torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 2.0]]), eps=0.0)
    assert total.tolist() == [[3.0, 4.0]]
    torch.testing.assert_close(normed, torch.tensor([[3.0, 4.0]]) / 12.5**0.5)


def test_leading_axes_and_slices_of_wider_tensors() -> None:
    x, residual, weight = torch.randn(2, 3, 20)[..., :7], torch.randn(3, 2, 7).transpose(0, 1), torch.randn(14)[::2]
    normed, total = add_rms_norm(x, residual, weight)
    torch.testing.assert_close(normed, F.rms_norm(x + residual, (7,), weight, 1e-6))
    assert torch.equal(total, x + residual)


def test_no_rows_give_no_rows_and_a_weight_no_gradient() -> None:
    weight = torch.randn(7, requires_grad=True)
    normed, total = add_rms_norm(torch.randn(0, 7), torch.randn(0, 7), weight)
    assert normed.shape == total.shape == (0, 7)
    assert torch.autograd.grad(normed.sum(), weight)[0].tolist() == [0.0] * 7


@pytest.mark.parametrize("used", [0, 1], ids=["normed", "sum"])
def test_either_result_may_go_unused(used: int) -> None:
    tensors = [torch.randn(3, 5, requires_grad=True), torch.randn(3, 5, requires_grad=True)]
    ours, plain = (
        torch.autograd.grad(function(*tensors)[used].square().sum(), tensors)
        for function in (add_rms_norm, add_rms_norm_reference)
    )
    torch.testing.assert_close(ours, plain)


def test_autocast_keeps_the_residual_in_float32() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        normed, total = add_rms_norm(torch.randn(3, 5).bfloat16(), torch.randn(3, 5), torch.randn(5))
    assert normed.dtype == total.dtype == torch.float32


def test_no_product_of_matrices_is_counted() -> None:
    with FlopCounterMode(display=False) as counter:
        add_rms_norm(torch.randn(3, 5), torch.randn(3, 5))
    assert counter.get_total_flops() == 0


def test_what_does_not_fit_is_named() -> None:
    x = torch.randn(3, 5)
    with pytest.raises(ValueError, match=r"got x \(3, 5\), residual \(5,\)"):
        add_rms_norm(x, torch.randn(5))
    with pytest.raises(ValueError, match=r"weight \(3,\)"):
        add_rms_norm(x, x, torch.randn(3))
    with pytest.raises(ValueError, match="residual float64 on cpu"):
        add_rms_norm(x, x.double())
    with pytest.raises(ValueError, match=r"floating point; got torch\.int64"):
        add_rms_norm(x.long(), x.long())
