"""Measuring what latencies depend on: the most doubtful first, until the rest is settled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from frontier.latency_models import KernelCall, Measurement, Workload, measure_space, space_calls
from frontier.latency_models.measuring.measure import GROUP
from frontier.latency_models.predicting.active import Doubt, _next_batch, scatter
from frontier.latency_models.predicting.fit import LEAST_IN_FAMILY, KernelModel
from frontier.latency_models.runtime import Runtime
from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape

Uses = dict[KernelCall, float]
Lawful = Callable[[KernelCall], Measurement]


@pytest.fixture(scope="module")
def uses() -> Uses:
    return space_calls(SearchSpace.load("tiny-lm"), ModelShape(256, 128), [Workload("prefill", 1, 100)])


def test_uses_are_those_of_a_random_architecture(space: SearchSpace, shape: ModelShape) -> None:
    found = space_calls(space, shape, [Workload("prefill", 1, 21)])
    assert list(found.values()) == sorted(found.values(), reverse=True)
    (embedding,) = (use for call, use in found.items() if call.op == "aten.embedding.default" and call.bytes < 6000)
    assert embedding == pytest.approx(1 / 2)


def test_every_family_comes_first_and_its_most_used_calls_of_it(uses: Uses) -> None:
    batch = _next_batch(uses, {}, settled=0.25)
    families = {call.family for call in uses}
    for family in families:
        members = [call for call in uses if call.family == family]
        chosen = [call for call in batch if call.family == family]
        assert len(chosen) == min(LEAST_IN_FAMILY, len(members))
        assert min(uses[call] for call in chosen) >= max(
            (uses[call] for call in members if call not in chosen), default=0.0
        )


def test_then_the_most_doubtful(uses: Uses, lawful: Lawful) -> None:
    known = {call.key: lawful(call) for call in _next_batch(uses, {}, settled=0.25)}
    batch = _next_batch(uses, known, settled=0.0)
    kernels = KernelModel(known.values())
    doubt = Doubt.of(uses, kernels).by_call
    assert not {call.key for call in batch} & known.keys()
    assert len(batch) == min(GROUP, len(uses) - len(known))
    left = [doubt[call] for call in uses if call.key not in known and call not in batch]
    assert min(doubt[call] for call in batch) >= max(left, default=0.0)


def test_it_settles_when_the_rest_hardly_matters(uses: Uses, lawful: Lawful) -> None:
    known: dict[str, Measurement] = {}
    rounds = 0
    while batch := _next_batch(uses, known, settled=2.0):
        known |= {call.key: lawful(call) for call in batch[:8]}
        rounds += 1
    kernels = KernelModel(known.values())
    assert len(known) < len(uses)
    # What was left out matters as little as was said.
    missing = [call for call in uses if call.key not in known]
    wrong_us = sum(uses[call] * abs(kernels.time(call).time_us - lawful(call).median_us) for call in missing)
    total_us = sum(uses[call] * lawful(call).median_us for call in uses)
    assert wrong_us / total_us < 2 * 2.0 * scatter(list(known.values()))


def test_what_is_known_is_not_measured_again(space: SearchSpace, shape: ModelShape, lawful: Lawful) -> None:
    calls = space_calls(space, shape, [Workload("prefill", 1, 21)])
    known = {call.key: lawful(call) for call in calls}
    campaign = measure_space(calls, Runtime(), known=known, budget_seconds=0.0)
    assert (list(campaign), campaign.remaining, campaign.settled) == (list(known.values()), 0, True)


def test_no_time_is_no_measurement(space: SearchSpace, shape: ModelShape) -> None:
    calls = space_calls(space, shape, [Workload("prefill", 1, 21)])
    campaign = measure_space(calls, Runtime(), budget_seconds=0.0)
    assert (list(campaign), campaign.remaining, campaign.settled) == ([], len(calls), False)


def test_measuring_tells_and_keeps_everything(space: SearchSpace, shape: ModelShape) -> None:
    calls = dict(list(space_calls(space, shape, [Workload("prefill", 1, 21)]).items())[:11])
    kept: list[Measurement] = []
    progress: list[tuple[int, int]] = []
    campaign = measure_space(
        calls, Runtime(), on_progress=lambda *at: progress.append(at), on_measured=kept.append, settled=0.0
    )
    assert {one.call.key for one in campaign} == {one.call.key for one in kept}
    assert len(campaign) + campaign.remaining == len(calls)
    assert progress[-1] == (len(campaign), len(calls))
    assert campaign.settled
