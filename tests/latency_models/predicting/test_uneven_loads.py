"""Loads of experts: measured evenly and unevenly, and what both mean for a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from frontier.latency_models import (
    Composition,
    KernelCall,
    Measurement,
    Predictor,
    Runtime,
    Tracer,
    Workload,
    measure,
)
from frontier.latency_models.measuring.replay import is_routed
from frontier.latency_models.predicting.fit import KernelModel
from frontier.latency_models.predicting.report import Pricing, report
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ModelShape

WORKLOAD = Workload("prefill", 1, 32)


@pytest.fixture(scope="module")
def mixture() -> Architecture:
    space, rng = SearchSpace.load("moe-lm"), Random(0)
    samples = (space.sample(rng) for _ in range(100))
    return next(one for one in samples if any(block.channel_mixer.kind == "moe" for block in one.blocks))


def calls_of(architecture: Architecture, shape: ModelShape) -> list[KernelCall]:
    return list({one.call.key: one.call for one in Tracer(shape).calls(architecture, WORKLOAD)}.values())


@pytest.fixture(scope="module")
def kernels(mixture: Architecture, shape: ModelShape, lawful: Callable[[KernelCall], Measurement]) -> KernelModel:
    """Half as long again where tokens are sent unevenly."""
    found = [lawful(call) for call in calls_of(mixture, shape)]
    return KernelModel(replace(one, skewed_us=1.5 * one.median_us) if is_routed(one.call) else one for one in found)


def test_only_what_routes_is_measured_unevenly(mixture: Architecture, shape: ModelShape) -> None:
    calls = calls_of(mixture, shape)
    routed = [call for call in calls if is_routed(call)]
    plain = [call for call in calls if not is_routed(call)]
    assert routed
    for one in measure([*routed[:1], *plain[:2]], Runtime()):
        assert (one.skewed_us is not None) == is_routed(one.call)
        assert one.skewed_us is None or one.skewed_us > 0


def test_mean_and_percentile_lie_between_even_and_uneven(
    mixture: Architecture, shape: ModelShape, kernels: KernelModel, composition: dict
) -> None:
    fitted = Composition(**composition["prefill"])
    found = Predictor(kernels, {"prefill": fitted}, shape).predict(mixture, WORKLOAD)
    routed_us = sum(
        kernels.time(one.call).time_us for one in Tracer(shape).calls(mixture, WORKLOAD) if is_routed(one.call)
    )
    uneven_ms = fitted.kernel_factor * 0.5 * routed_us / 1e3
    assert found.mean_ms == pytest.approx(found.latency_ms + 0.5 * uneven_ms)
    assert found.p95_ms == pytest.approx(found.latency_ms + 0.95 * uneven_ms)
    priced = report(mixture, shape, WORKLOAD, Pricing(kernels, fitted))
    assert (priced.mean_ms, priced.p95_ms) == pytest.approx((found.mean_ms, found.p95_ms))


def test_what_routes_nothing_has_one_latency(space: SearchSpace, shape: ModelShape, kernels: KernelModel) -> None:
    fitted = Composition(1.0, 0.0, 0.0, 0.1, 0.1, 0, "", [], [])
    found = Predictor(kernels, {"prefill": fitted}, shape).predict(space.largest(), Workload("prefill", 1, 21))
    assert found.latency_ms == found.mean_ms == found.p95_ms


def test_a_call_that_was_not_measured_is_as_uneven_as_those_that_were(
    mixture: Architecture, shape: ModelShape, lawful: Callable[[KernelCall], Measurement]
) -> None:
    first, *rest = (call for call in calls_of(mixture, shape) if is_routed(call))
    known = [replace(lawful(call), skewed_us=1.5 * lawful(call).median_us) for call in (first, first)]
    other = rest[0] if rest else replace(first, arguments=first.arguments.replace("32", "33"))
    plain = [lawful(call) for call in calls_of(mixture, shape) if not is_routed(call)]
    time = KernelModel([*known, *plain]).time(other)
    assert not time.measured
    assert time.skewed_us == pytest.approx(1.5 * time.time_us)
