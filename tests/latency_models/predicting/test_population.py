"""Populations priced by their indices: equal to pricing architectures one by one, and much faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import astuple, replace
from random import Random

import numpy as np
import pytest

from frontier.errors import InputError
from frontier.latency_models import (
    Composition,
    DeviceProfile,
    KernelCall,
    LayerCall,
    Measurement,
    Predictor,
    Section,
    Workload,
    fit_predictor,
    space_calls,
)
from frontier.latency_models.predicting.fit import KernelModel
from frontier.latency_models.predicting.predict import CHUNK, QUANTITIES
from frontier.latency_models.predicting.prediction import Prediction, Predictions
from frontier.latency_models.tracing.sections import Setting, members
from frontier.search_space import Block, SearchSpace, preset_names
from frontier.search_space.breeding import Breeder
from frontier.search_space.population import Population
from frontier.supernet import ImageShape, ModelShape

MEASURED = KernelCall("aten.mm.default", "gemm", '{"args":[],"kwargs":{}}', 63, 1000)


class MadeUpTracer:
    """Sections whose numbers are drawn from their setting, so that no two cost the same; tracing takes minutes."""

    def __init__(self) -> None:
        self.traced: list[Setting] = []

    def section(self, setting: Setting, block: Block | None, workload: Workload) -> Section:
        assert setting.spec is None or setting.spec == getattr(block, setting.slot)
        self.traced.append(setting)
        rng = Random(f"{setting} {workload}")
        # Of a family that nothing is known of, so that its time follows from its bytes.
        unknown = KernelCall("other.thing.default", "unknown", f'"{setting}"', 0, rng.randrange(1, 9**9))
        calls = tuple(LayerCall("", rng.choice([MEASURED, unknown]), rng.randrange(1, 9)) for _ in range(3))
        sizes = [rng.randrange(9**9) for _ in range(9)]
        return Section((LayerCall("", MEASURED, 1), *calls), *sizes)


def made_up(space: SearchSpace, composition: dict) -> tuple[Predictor, MadeUpTracer, Workload]:
    shape = ImageShape(1, 8, 10) if space.layout.pyramid else ModelShape(63, 80)
    fitted = {phase: Composition(**fields) for phase, fields in composition.items()}
    predictor = Predictor(KernelModel([Measurement(MEASURED, 3.0, 0.01, 10)]), fitted, shape)
    tracer = predictor._tracer = MadeUpTracer()  # type: ignore[assignment]
    return predictor, tracer, Workload("prefill", 1, 64)


def assert_same(predictions: Predictions, expected: list[Prediction]) -> None:
    for found, wanted in zip(predictions, expected, strict=True):
        assert found.latency_ms == pytest.approx(wanted.latency_ms, rel=1e-9)
        assert astuple(found) == pytest.approx(astuple(wanted), rel=1e-9, abs=0)
        assert astuple(found)[4:] == astuple(wanted)[4:]


@pytest.mark.parametrize("name", preset_names())
def test_a_population_costs_what_each_one_costs(name: str, composition: dict) -> None:
    space = SearchSpace.load(name)
    predictor, _, workload = made_up(space, composition)
    population = Breeder(space).sample(1000, np.random.default_rng(0))
    one_by_one = made_up(space, composition)[0]
    expected = [one_by_one.predict(population.architecture(row), workload) for row in range(1000)]
    assert len({one.latency_ms for one in expected}) > 900
    assert_same(predictor.predict_population(population, workload), expected)


def test_the_whole_space_as_traced(
    profile: DeviceProfile, space: SearchSpace, shape: ModelShape, workload: Workload
) -> None:
    space = SearchSpace.parse({**space.to_json(), "residual": ["sequential", "parallel"]})
    everything = list(space.enumerate())
    expected = fit_predictor(profile, shape).predict_many(everything, workload)
    predictions = fit_predictor(profile, shape).predict_population(Population.of(space, everything), workload)
    assert_same(predictions, expected)
    assert (predictions.low_ms < predictions.latency_ms).all()


def test_a_pyramid_as_traced(profile: DeviceProfile) -> None:
    space = SearchSpace.parse(
        {
            "name": "steps",
            "stages": [{"width": [8, 12], "depth": [1, 3]}, {"width": [16, 24], "depth": 2}, {"width": 40, "depth": 1}],
            "token_mixers": [{"kind": "pooling", "window": [3, 5]}, {"kind": "none"}],
            "channel_mixers": [{"kind": "gelu_mlp", "inner": 17}, {"kind": "none"}],
        }
    )
    predictor, workload = fit_predictor(profile, ImageShape(1, 7, 10)), Workload("prefill", 3, 49)
    population = Breeder(space).sample(63, np.random.default_rng(0))
    expected = [predictor.predict(population.architecture(row), workload) for row in range(63)]
    assert_same(predictor.predict_population(population, workload), expected)


def test_only_sections_that_occur_are_traced(composition: dict) -> None:
    space = SearchSpace.load("everything-lm")
    predictor, tracer, workload = made_up(space, composition)
    population = Breeder(space).sample(3, np.random.default_rng(0))
    predictor.predict_population(population, workload)
    occurring = {member.setting for row in range(3) for member in members(population.architecture(row))}
    assert set(tracer.traced) == occurring
    assert len(tracer.traced) == len(occurring)
    predictor.predict_population(population, workload)
    assert len(tracer.traced) == len(occurring)


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + 1])
def test_any_number_of_architectures(composition: dict, count: int) -> None:
    space = SearchSpace.load("tiny-lm")
    predictor, _, workload = made_up(space, composition)
    population = Breeder(space).sample(count, np.random.default_rng(0))
    predictions = predictor.predict_population(population, workload)
    assert len(predictions) == count
    assert_same(predictor.predict_population(population[-5:], workload), list(predictions)[-5:])
    assert predictions.param_count.dtype == np.int64


def test_workloads_are_priced_apart(profile: DeviceProfile, space: SearchSpace, shape: ModelShape) -> None:
    predictor = fit_predictor(profile, shape)
    population = Breeder(space).sample(7, np.random.default_rng(0))
    prefill, decode = (
        predictor.predict_population(population, Workload(phase, 2, 21)) for phase in profile.composition
    )
    assert (prefill.latency_ms > decode.latency_ms).all()
    assert np.array_equal(prefill.param_count, decode.param_count)
    only = fit_predictor(replace(profile, composition={"decode": profile.composition["decode"]}), shape)
    with pytest.raises(InputError, match="phase"):
        only.predict_population(population, Workload("prefill", 2, 21))


def test_one_predictor_prices_every_workload_of_a_search(
    profile: DeviceProfile, space: SearchSpace, shape: ModelShape
) -> None:
    predictor, everything = fit_predictor(profile, shape), Population.of(space, list(space.enumerate()))
    for workload in (Workload("prefill", 2, 21), Workload("decode", 2, 21), Workload("prefill", 1, 13)):
        found = predictor.predict_population(everything, workload)
        assert_same(found, list(fit_predictor(profile, shape).predict_population(everything, workload)))
        for quantity in QUANTITIES:
            least = predictor.least(space, workload, quantity)
            assert least == pytest.approx(getattr(found, quantity).min(), rel=1e-9)


def test_what_lies_outside_of_what_was_measured_is_said(
    profile: DeviceProfile, space: SearchSpace, shape: ModelShape, lawful: Callable[[KernelCall], Measurement]
) -> None:
    measured = Workload("prefill", 1, 3)
    calls = space_calls(space, shape, [measured])
    predictor = fit_predictor(replace(profile, measurements=tuple(lawful(call) for call in calls)), shape)
    everything = Population.of(space, list(space.enumerate()))
    inside, outside = (predictor.predict_population(everything, one) for one in (measured, Workload("prefill", 2, 30)))
    assert not inside.extrapolates.any()
    assert (inside.measured_share == 1).all()
    assert outside.extrapolates.all()
    assert (outside.measured_share < 1).all()
    assert predictor.predict(everything.architecture(0), measured).extrapolates is False


def test_a_hundred_thousand_a_second(composition: dict) -> None:
    space = SearchSpace.load("hybrid-lm")
    predictor, _, workload = made_up(space, composition)
    population = Breeder(space).sample(50_000, np.random.default_rng(0))
    predictor.predict_population(population, workload)
    started = time.process_time()
    predictor.predict_population(population, workload)
    assert 50_000 / (time.process_time() - started) > 100_000
