"""Matrices of host and device time say what stepping through the operators says, however they are joined."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from frontier.latency_models import KernelCall, LayerCall, Measurement
from frontier.latency_models.measuring.host_cost import VIEW
from frontier.latency_models.predicting.eager import Dispatched, calibrate_eager, fit_eager
from frontier.latency_models.predicting.fit import KernelModel
from frontier.latency_models.predicting.timeline import Timeline

Operators = list[tuple[float, float]]


def stepped(operators: Operators, host: float = 0.0, device: float = 0.0) -> tuple[float, float]:
    """The ends of host and device, one operator at a time."""
    for host_us, kernel_us in operators:
        host += host_us
        device = max(device, host) + kernel_us
    return host, device


def applied(timeline: Timeline, host: float, device: float) -> tuple[float, float]:
    return (
        host + float(timeline.host_us),
        max(device + float(timeline.device_us), host + float(timeline.after_us)),
    )


def of(operators: Operators) -> Timeline:
    return Timeline.of([host for host, _ in operators], [kernel for _, kernel in operators])


@pytest.fixture(params=range(20))
def rng(request: pytest.FixtureRequest) -> Random:
    return Random(request.param)


def draw(rng: Random) -> Operators:
    """Host-bound, device-bound and mixed sequences, some of them empty."""
    slow = rng.choice([0.1, 1.0, 10.0])
    return [(slow * rng.expovariate(1), rng.expovariate(1)) for _ in range(rng.choice([0, 1, 2, 63]))]


def test_a_matrix_does_what_its_operators_do(rng: Random) -> None:
    operators, host, device = draw(rng), 9 * rng.random(), 9 * rng.random()
    assert applied(of(operators), host, device) == pytest.approx(stepped(operators, host, device))
    assert float(of(operators).total_us) == pytest.approx(max(stepped(operators)))


def test_sections_join_in_any_grouping(rng: Random) -> None:
    parts = [draw(rng) for _ in range(5)]
    whole = of([operator for part in parts for operator in part])
    first, second, third, *rest = map(of, parts)
    left = first.then(second).then(third)
    right = first.then(second.then(third))
    for joined in (Timeline.joined([left, *rest]), Timeline.joined([right, *rest])):
        assert float(joined.host_us) == pytest.approx(float(whole.host_us))
        assert float(joined.device_us) == pytest.approx(float(whole.device_us))
        assert float(joined.after_us) == pytest.approx(float(whole.after_us))


def test_nothing_changes_nothing() -> None:
    section, nothing = of([(3.0, 5.0), (1.0, 0.5)]), Timeline.nothing()
    assert section.then(nothing) == nothing.then(section) == section
    assert float(nothing.total_us) == 0


def test_who_is_slower_sets_the_pace() -> None:
    assert float(of([(10.0, 1.0)] * 7).total_us) == pytest.approx(71.0)
    assert float(of([(1.0, 10.0)] * 7).total_us) == pytest.approx(71.0)


def test_a_population_is_joined_at_once(rng: Random) -> None:
    """Sections stand in a table; architectures are rows of a matrix of indices, padded with nothing."""
    sections = [[], *(draw(rng) for _ in range(6))]
    made = [of(section) for section in sections]
    table = Timeline(*(np.array([getattr(one, name) for one in made]) for name in ("host_us", "device_us", "after_us")))
    rows = np.array([[rng.randrange(7) for _ in range(33)] for _ in range(4)])
    totals = Timeline.joined(table[row] for row in rows).total_us
    expected = [max(stepped([one for row in rows for one in sections[row[number]]])) for number in range(33)]
    np.testing.assert_allclose(totals, expected)


def test_operators_stand_along_the_last_axis() -> None:
    host_us, kernel_us = np.random.default_rng(0).random((2, 3, 5, 7))
    batch = Timeline.of(host_us, kernel_us)
    assert batch.total_us.shape == (3, 5)
    for index in np.ndindex(3, 5):
        assert batch.total_us[index] == pytest.approx(float(Timeline.of(host_us[index], kernel_us[index]).total_us))


def test_operators_cost_the_host_their_views_and_the_device_their_kernels() -> None:
    call = KernelCall("aten.relu.default", "pointwise", "{}", 1, 1)
    kernels = KernelModel([Measurement(call, 7.0, 0.1, 12, timing="graph", warm_us=6.0)])
    traced = [LayerCall("head", call, 1), LayerCall("head", call, 3)]
    model = Dispatched.of(traced, kernels, {"pointwise": 5.0, VIEW: 1.0})
    assert (model.host_us.tolist(), model.kernel_us.tolist()) == ([5.0, 7.0], [7.0, 7.0])
    assert float(model.timeline(1.0).total_us) == 5 + 7 + 7
    assert float(model.timeline(2.0).total_us) == 10 + 14 + 7


def test_whole_models_tell_how_far_off_the_fit_is(rng: Random) -> None:
    calls = [KernelCall(f"aten.op{number}.default", "pointwise", "{}", 1, 1) for number in range(9)]
    kernels = KernelModel([Measurement(call, rng.uniform(1, 60), 0.1, 12) for call in calls])
    costs = {"pointwise": 5.0, VIEW: 1.0}
    traces = [
        [LayerCall("head", rng.choice(calls), rng.randrange(1, 4)) for _ in range(count)] for count in range(9, 60, 5)
    ]
    exact = [float(Dispatched.of(trace, kernels, costs).timeline(2.5).total_us) + 17.0 for trace in traces]
    found = calibrate_eager(traces, exact, kernels, costs)
    assert found.interval < 0.05
    assert found.costs == costs
    noisy = [latency_us * rng.uniform(0.8, 1.25) for latency_us in exact]
    assert calibrate_eager(traces, noisy, kernels, costs).interval > found.interval


def test_the_fit_finds_what_models_were_made_with(rng: Random) -> None:
    def times(least: float, most: float, count: int) -> np.ndarray:
        return np.array([rng.uniform(least, most) for _ in range(count)])

    models = [Dispatched(times(2, 6, count), times(1, 60, count)) for count in (9, 20, 33, 63, 100)]
    measured = [float(model.timeline(2.5).total_us) + 17.0 for model in models]
    found = fit_eager(models, measured)
    assert found.mape < 0.01
    for model, latency_us in zip(models, measured, strict=True):
        assert found.latency_us(model) == pytest.approx(latency_us, rel=0.03)
