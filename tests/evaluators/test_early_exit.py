"""The rule of early exit: exact at the end, careful on the way, and as sharp as the pairing allows."""

from __future__ import annotations

import math

import pytest
import torch

from frontier.evaluators.early_exit import STANDARD_ERRORS, Estimate, estimate

TOTAL = 63


def losses(seed: int, above: float, spread: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A reference whose losses vary by half a nat, and a model that is worse by `above`, more or less."""
    generator = torch.Generator().manual_seed(seed)
    reference_N = 3.0 + 0.5 * torch.randn(TOTAL, generator=generator)
    return reference_N + above + spread * torch.randn(TOTAL, generator=generator), reference_N


def test_the_estimate_is_exact_once_everything_is_seen() -> None:
    model_N, reference_N = losses(0, above=0.1, spread=0.2)
    found = estimate(model_N, reference_N, reference_N.double().mean().item(), TOTAL)
    assert found.nats == pytest.approx(model_N.double().mean().item(), abs=1e-6)
    assert found.error_nats == 0.0


def test_a_model_that_differs_by_a_constant_is_known_from_two_examples() -> None:
    model_N, reference_N = losses(1, above=0.25, spread=0.0)
    mean = reference_N.double().mean().item()
    found = estimate(model_N[:2], reference_N[:2], mean, TOTAL)
    assert found.nats == pytest.approx(mean + 0.25, abs=1e-5)
    assert found.is_above(mean + 0.24)
    assert not found.is_above(mean + 0.26)


@pytest.mark.parametrize("seen", [8, 16, 47])
def test_a_model_at_its_bound_is_hardly_ever_given_up(seen: int) -> None:
    wrong = 0
    for seed in range(2000):
        model_N, reference_N = losses(seed, above=0.1, spread=0.2)
        found = estimate(model_N[:seen], reference_N[:seen], reference_N.double().mean().item(), TOTAL)
        wrong += found.is_above(model_N.double().mean().item())
    # Student's t with 7 degrees of freedom is above 3 in 1 % of all cases.
    assert wrong <= 2000 * 0.015


def test_pairing_finds_what_the_examples_spread_would_hide() -> None:
    model_N, reference_N = losses(3, above=0.3, spread=0.1)
    bound = model_N.double().mean().item() - 0.2
    paired = estimate(model_N[:16], reference_N[:16], reference_N.double().mean().item(), TOTAL)
    unpaired = estimate(model_N[:16], torch.zeros(16), 0.0, TOTAL)
    assert paired.is_above(bound)
    assert not unpaired.is_above(bound)
    assert unpaired.error_nats > 3 * paired.error_nats


def test_the_bound_is_passed_by_three_standard_errors() -> None:
    assert not Estimate(2.0 + STANDARD_ERRORS * 0.1 - 1e-9, 0.1).is_above(2.0)
    assert Estimate(2.0 + STANDARD_ERRORS * 0.1 + 1e-9, 0.1).is_above(2.0)


def test_what_is_no_number_is_above_nothing() -> None:
    assert not Estimate(math.nan, 0.1).is_above(0.0)
    assert not Estimate(1.0, math.nan).is_above(0.0)
