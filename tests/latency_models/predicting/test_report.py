"""A latency taken apart: its parts add up, one device is the plain prediction, several exchange what they must."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from frontier.errors import InputError
from frontier.latency_models import Composition, DeviceProfile, Tracer, Workload, fit_predictor
from frontier.latency_models.measuring.host_cost import VIEW
from frontier.latency_models.predicting.eager import EagerComposition
from frontier.latency_models.predicting.fit import KernelModel
from frontier.latency_models.predicting.report import Pricing, report
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ModelShape


@pytest.fixture(scope="module")
def pricing(profile: DeviceProfile) -> Pricing:
    return Pricing(KernelModel(profile.measurements), Composition(**profile.composition["prefill"]))


def test_one_device_is_the_plain_prediction(
    profile: DeviceProfile, pricing: Pricing, space: SearchSpace, shape: ModelShape, workload: Workload
) -> None:
    architecture = space.largest()
    found, plain = (
        report(architecture, shape, workload, pricing),
        fit_predictor(profile, shape).predict(architecture, workload),
    )
    for name in ("latency_ms", "low_ms", "high_ms", "measured_share"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), rel=1e-9)
    for name in ("param_count", "peak_memory_bytes", "state_bytes", "extrapolates"):
        assert getattr(found, name) == getattr(plain, name)
    assert (found.devices, found.exposed_share) == (1, 0.0)


def test_parts_add_up(pricing: Pricing, space: SearchSpace, shape: ModelShape, workload: Workload) -> None:
    found = report(space.largest(), shape, workload, pricing)
    assert sum(part.share for part in found.parts) == pytest.approx(1.0)
    kernels_ms = sum(part.latency_ms for part in found.parts)
    composition = pricing.composition
    assert found.latency_ms > composition.kernel_factor * kernels_ms + composition.fixed_ms
    assert [part.latency_ms for part in found.parts] == sorted((one.latency_ms for one in found.parts), reverse=True)
    measured = sum(part.share for part in found.parts if part.source == "measured")
    assert measured == pytest.approx(found.measured_share)


def test_ladders_hide_what_others_wait_for(pricing: Pricing, shape: ModelShape) -> None:
    block = {
        "token_mixer": {"kind": "attention", "num_heads": 4, "num_kv_heads": 2, "head_dim": 8},
        "channel_mixer": {"kind": "swiglu", "inner": 64},
    }
    plain = Architecture.from_json({"width": 40, "blocks": [block] * 3})
    ladder = Architecture.from_json({"width": 40, "blocks": [block] * 3, "residual": "ladder"})
    workload = Workload("prefill", 2, 21)
    alone, over_two, hidden = (
        report(one, shape, workload, pricing, devices) for one, devices in ((plain, 1), (plain, 2), (ladder, 2))
    )
    assert over_two.param_count < 0.6 * alone.param_count
    assert 0 < hidden.exposed_share < over_two.exposed_share < 1
    assert hidden.latency_ms < over_two.latency_ms
    collectives = [part for part in over_two.parts if part.name == "collective"]
    assert sum(part.calls for part in collectives) == 2 + 2 * 3


def test_compiled_is_quicker(pricing: Pricing, space: SearchSpace, shape: ModelShape, workload: Workload) -> None:
    eager, compiled = (
        report(space.largest(), shape, workload, replace(pricing, compiled=way)) for way in (False, True)
    )
    assert compiled.latency_ms < eager.latency_ms
    assert compiled.param_count == eager.param_count


def test_eager_is_as_slow_as_its_host(
    pricing: Pricing, space: SearchSpace, shape: ModelShape, workload: Workload
) -> None:
    costs = {"matmul": 7.0, VIEW: 1.0}
    slow, quick = (EagerComposition(factor, 17.0, 0.01, 0.05, costs) for factor in (50.0, 0.0))
    graph, host_bound, device_bound = (
        report(space.largest(), shape, workload, replace(pricing, eager=eager)) for eager in (None, slow, quick)
    )
    calls = Tracer(shape).calls(space.largest(), workload)
    dispatches = sum(7.0 + one.launches - 1 for one in calls)
    kernels_us = 1e3 * sum(part.latency_ms for part in graph.parts)
    last_us = pricing.kernels.time(calls[-1].call).time_us
    assert host_bound.latency_ms == pytest.approx((50.0 * dispatches + last_us + 17.0) / 1e3)
    assert device_bound.latency_ms == pytest.approx((kernels_us + 17.0) / 1e3)
    assert device_bound.high_ms / device_bound.latency_ms >= 1.05
    assert host_bound.param_count == graph.param_count


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_what_a_gpu_would_launch_is_not_asked_of_a_cpu(
    pricing: Pricing, space: SearchSpace, shape: ModelShape, workload: Workload
) -> None:
    with pytest.raises(InputError, match=r"a CUDA device .* is needed"):
        report(space.largest(), shape, workload, replace(pricing, device="cuda"))
