"""Regression, composition, prediction and validation, on devices whose law is known."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from random import Random

import numpy as np
import pytest
import torch

from frontier.errors import InputError
from frontier.latency_models import (
    DeviceProfile,
    KernelCall,
    Measurement,
    Predictor,
    Tracer,
    Workload,
    calibrate,
    describe_device,
    fit_predictor,
    kendall_tau,
    measure,
    space_calls,
    validate,
)
from frontier.latency_models.predicting.composition import draw, fit_composition
from frontier.latency_models.predicting.fit import KernelModel
from frontier.latency_models.predicting.predict import QUANTITIES
from frontier.latency_models.runtime import Runtime
from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape


def test_measured_calls_are_looked_up(profile: DeviceProfile) -> None:
    kernels = KernelModel(profile.measurements)
    for measurement in profile.measurements:
        time_of = kernels.time(measurement.call)
        assert time_of.measured
        assert time_of.low_us == time_of.time_us == time_of.high_us == measurement.median_us


def test_regression_beats_a_constant(lawful: Callable[[KernelCall], Measurement]) -> None:
    space, shape = SearchSpace.load("tiny-lm"), ModelShape(256, 128)
    calls = list(space_calls(space, shape, [Workload("prefill", 1, 100)]))
    Random(1).shuffle(calls)
    seen, unseen = [lawful(call) for call in calls[::2]], [lawful(call) for call in calls[1::2]]
    kernels = KernelModel(seen)
    constant = math.exp(np.mean([math.log(one.median_us) for one in seen]))
    errors = [abs(math.log(kernels.time(one.call).time_us / one.median_us)) for one in unseen]
    of_constant = [abs(math.log(constant / one.median_us)) for one in unseen]
    assert np.mean(errors) < 0.25 * np.mean(of_constant)
    times = [(kernels.time(one.call), one.median_us) for one in unseen]
    assert np.mean([t.low_us <= true <= t.high_us for t, true in times]) > 0.6
    assert not any(t.measured for t, _ in times)


def test_unknown_kernels_get_a_wide_interval(profile: DeviceProfile) -> None:
    call = KernelCall("other.thing.default", "unknown", '{"args":[],"kwargs":{}}', 0, 10_000)
    time_of = KernelModel(profile.measurements).time(call)
    assert time_of.high_us / time_of.low_us >= 9


@pytest.mark.parametrize("factors", [(1.0, 0.002, 0.1), (1.2, 0.0, 0.0), (0.7, 0.004, 0.0), (1.1, 0.003, -0.2)])
def test_composition_is_recovered(factors: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.uniform(0.5, 4, 25), rng.integers(50, 500, 25)])
    latency_ms = table @ factors[:2] + factors[2]
    assert fit_composition(table, latency_ms) == pytest.approx(factors, abs=1e-6)


def test_composition_stays_within_bounds() -> None:
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.uniform(0.5, 4, 25), rng.integers(50, 500, 25)])
    latency_ms = 2 * table[:, 0] - 0.8 * table[:, 0].min()
    factor, launch_ms, fixed_ms = fit_composition(table, latency_ms)
    assert 0.7 <= factor <= 1.6
    assert launch_ms >= 0
    assert fixed_ms >= -0.6 * latency_ms.min()


def test_prediction_is_the_sum(
    profile: DeviceProfile, space: SearchSpace, shape: ModelShape, workload: Workload
) -> None:
    predictor = fit_predictor(profile, shape)
    kernels = KernelModel(profile.measurements)
    for seed in range(5):
        architecture = space.sample(Random(seed))
        prediction = predictor.predict(architecture, workload)
        rows = predictor.breakdown(architecture, workload)
        assert sum(row["latency_ms"] for row in rows) == pytest.approx(prediction.latency_ms, abs=1e-9)
        assert [row["layer"] for row in rows[-2:]] == ["host", "host"]
        assert prediction.low_ms < prediction.latency_ms < prediction.high_ms
        calls = [one.call for one in predictor._tracer.calls(architecture, workload)]
        assert sum(row["flops"] for row in rows[:-2]) == sum(call.flops for call in calls) > 0
        assert sum(row["bytes"] for row in rows[:-2]) == sum(call.bytes for call in calls) > 0
        known = sum(kernels.time(call).time_us for call in calls if kernels.time(call).measured)
        share = known / sum(kernels.time(call).time_us for call in calls)
        assert prediction.measured_share == pytest.approx(share)
        assert 0 < prediction.measured_share <= 1


def test_fewer_measurements_widen_the_interval(profile: DeviceProfile, space: SearchSpace, shape: ModelShape) -> None:
    workload, architecture = Workload("prefill", 2, 21), space.sample(Random(0))
    calls = space_calls(space, shape, [workload])
    everything = replace(profile, measurements=tuple(Measurement(call, 3.0 + call.bytes / 900, 0, 9) for call in calls))
    half = replace(everything, measurements=everything.measurements[::2])
    full, less = (fit_predictor(one, shape).predict(architecture, workload) for one in (everything, half))
    assert full.measured_share == 1.0
    assert full.high_ms / full.latency_ms - 1 == pytest.approx(0.04)
    assert less.measured_share < 1.0
    assert less.high_ms / less.latency_ms > full.high_ms / full.latency_ms


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_least_is_exact(
    profile: DeviceProfile, space: SearchSpace, shape: ModelShape, workload: Workload, quantity: str
) -> None:
    predictor = fit_predictor(profile, shape)
    every = predictor.predict_many(list(space.enumerate()), workload)
    assert predictor.least(space, workload, quantity) == pytest.approx(min(getattr(one, quantity) for one in every))


def test_least_memory_is_in_the_type_that_is_predicted(
    profile: DeviceProfile, space: SearchSpace, shape: ModelShape
) -> None:
    workload, plain = Workload("prefill", 2, 21), fit_predictor(profile, shape)
    half = Predictor(KernelModel(profile.measurements), plain.composition, shape, Tracer(shape, dtype=torch.bfloat16))
    least = half.least(space, workload, "peak_memory_bytes")
    assert least == min(one.peak_memory_bytes for one in half.predict_many(list(space.enumerate()), workload))
    assert least < 0.7 * plain.least(space, workload, "peak_memory_bytes")


def test_many_are_fast_and_equal_to_one(profile: DeviceProfile, space: SearchSpace, shape: ModelShape) -> None:
    predictor, workload, rng = fit_predictor(profile, shape), Workload("prefill", 2, 21), Random(0)
    architectures = [space.sample(rng) for _ in range(2000)]
    first = predictor.predict_many(architectures, workload)
    started = time.perf_counter()
    assert predictor.predict_many(architectures, workload) == first
    assert time.perf_counter() - started < 2.0
    assert predictor.predict(architectures[7], workload) == first[7]
    assert predictor.predict_many([], workload) == []


def test_profile_round_trip(profile: DeviceProfile) -> None:
    text = json.dumps(replace(profile, validations=({"mape": 0.1},)).to_json())
    assert DeviceProfile.from_json(text) == replace(profile, validations=({"mape": 0.1},))
    assert DeviceProfile.from_json(profile.to_json()) == profile


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not JSON"), ('{"name": "x"}', "hardware"), ("[]", "device profile")]
)
def test_bad_profile(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        DeviceProfile.from_json(text)


def test_what_is_missing_is_said(profile: DeviceProfile, space: SearchSpace, shape: ModelShape) -> None:
    with pytest.raises(InputError, match="measure its kernels"):
        fit_predictor(replace(profile, measurements=()), shape)
    with pytest.raises(InputError, match="calibrate"):
        fit_predictor(replace(profile, composition={}), shape)
    with pytest.raises(InputError, match="measure its kernels"):
        calibrate(replace(profile, measurements=()), space, shape, [Workload("prefill", 1, 8)], 0, 5)
    with pytest.raises(InputError, match="count"):
        calibrate(profile, space, shape, [Workload("prefill", 1, 8)], 0, 1)
    only = fit_predictor(replace(profile, composition={"decode": profile.composition["decode"]}), shape)
    with pytest.raises(InputError, match="phase"):
        only.predict(space.sample(Random(0)), Workload("prefill", 1, 8))
    with pytest.raises(InputError, match="quantity"):
        only.least(space, Workload("decode", 1, 8), "energy")
    with pytest.raises(InputError, match="seq_len"):
        only.predict(space.sample(Random(0)), Workload("decode", 1, 40))


def test_draw_leaves_out_and_gives_up(space: SearchSpace) -> None:
    every = {architecture.digest for architecture in space.enumerate()}
    first = draw(space, 10, seed=0)
    used = frozenset(architecture.digest for architecture in first)
    assert len(used) == 10
    assert not used & {architecture.digest for architecture in draw(space, 10, seed=0, leave_out=used)}
    with pytest.raises(InputError, match="has not that many"):
        draw(space, len(every) + 1, seed=0)


def test_measured_to_validated(space: SearchSpace, shape: ModelShape) -> None:
    """The whole way on this machine, as small as it goes. How good it is, the benchmark says."""
    workload = Workload("prefill", 1, 13)
    campaign = measure(list(space_calls(space, shape, [workload])), Runtime())
    profile = DeviceProfile("here", describe_device(Runtime()), tuple(campaign))
    composition = calibrate(profile, space, shape, [workload], seed=0, count=5)
    json.dumps(composition)
    predictor = fit_predictor(replace(profile, composition=composition), shape)
    result = validate(predictor, space, shape, workload, Runtime(), seed=0, count=4)
    assert not {pair["digest"] for pair in result.pairs} & set(composition["prefill"]["digests"])
    assert len(result.pairs) == 4
    assert math.isfinite(result.mape)
    assert math.isfinite(result.floor_mape)
    assert all(pair["low_ms"] < pair["predicted_ms"] < pair["high_ms"] for pair in result.pairs)
    assert -1 <= result.kendall_tau <= 1
    assert DeviceProfile.from_json(json.dumps(replace(profile, validations=(asdict(result),)).to_json())).validations


def test_kendall_tau() -> None:
    assert kendall_tau([1, 2, 3, 4], [10, 20, 30, 40]) == 1
    assert kendall_tau([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    assert kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / 6**0.5)
    assert kendall_tau([1, 1], [1, 2]) == 0
