"""What the suite cannot say of the residual and layer norm: the definition, a weight's gradient, refusals."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from frontier.kernels.add_layer_norm import add_layer_norm, add_layer_norm_reference


def test_the_reference_is_the_definition() -> None:
    x, residual, weight, bias = torch.randn(3, 5), torch.randn(3, 5), torch.randn(5), torch.randn(5)
    normed, total = add_layer_norm_reference(x, residual, weight, bias, 1e-3)
    for row in range(3):
        s = [float(x[row, d] + residual[row, d]) for d in range(5)]
        mean = sum(s) / 5
        size = (sum((entry - mean) ** 2 for entry in s) / 5 + 1e-3) ** 0.5
        expected = [(entry - mean) / size * float(w) + float(b) for entry, w, b in zip(s, weight, bias, strict=True)]
        torch.testing.assert_close(normed[row], torch.tensor(expected))
    assert torch.equal(total, x + residual)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("learned", [False, True])
def test_weight_and_bias_may_be_missing(weighted: bool, biased: bool, learned: bool) -> None:
    x, residual = torch.randn(2, 4, 6), torch.randn(2, 4, 6)
    weight, bias = (torch.randn(6, requires_grad=learned) if there else None for there in (weighted, biased))
    normed, total = add_layer_norm(x, residual, weight, bias)
    torch.testing.assert_close(normed, F.layer_norm(x + residual, (6,), weight, bias, 1e-5))
    assert torch.equal(total, x + residual)


def test_a_weight_of_many_rows_learns_as_exactly_as_in_float64() -> None:
    """Torch's own kernel adds it up in bfloat16, an eighth off."""
    x = torch.randn(900, 16)
    grads = []
    for dtype in (torch.float64, torch.bfloat16):
        weight, bias = torch.ones(16, dtype=dtype, requires_grad=True), torch.zeros(16, dtype=dtype, requires_grad=True)
        given = x.bfloat16().to(dtype)
        normed, _ = add_layer_norm(given, torch.zeros_like(given), weight, bias)
        grads.append(torch.autograd.grad(normed, weight, given)[0].double())
    torch.testing.assert_close(grads[1], grads[0], rtol=0.01, atol=0)


def test_what_does_not_fit_is_named() -> None:
    x = torch.randn(3, 5)
    with pytest.raises(ValueError, match=r"add_layer_norm takes .*bias \(4,\)"):
        add_layer_norm(x, x, torch.randn(5), torch.randn(4))
