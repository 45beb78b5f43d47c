"""Replays run every recorded call, resume where they stopped, and stop when the time is up."""

from __future__ import annotations

import json
from random import Random

import pytest
import torch

from frontier.errors import InputError
from frontier.latency_models import Measurement, Workload, measure, measure_model, measure_models, space_calls
from frontier.latency_models.measuring.replay import prepare
from frontier.latency_models.measuring.timing import LEAST_VISITS, Timed, pinned, sentinel_for
from frontier.latency_models.runtime import Runtime
from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape


def test_every_call_replays_with_its_arguments(space: SearchSpace, shape: ModelShape, workload: Workload) -> None:
    for call in space_calls(space, shape, [workload]):
        replay = prepare(call)
        with torch.inference_mode():
            replay.op(*replay.args, **replay.kwargs)
        plain = json.loads(call.arguments)["args"]
        for described, value in zip(plain, replay.args, strict=True):
            if isinstance(described, dict) and "tensor" in described:
                assert list(value.shape) == described["tensor"]
                assert list(value.stride()) == described["stride"]
                if value.is_floating_point():
                    assert value.abs().max() > 0


def test_known_calls_are_not_measured_again(space: SearchSpace, shape: ModelShape) -> None:
    calls = list(space_calls(space, shape, [Workload("prefill", 1, 21)]))[:9]
    fresh: list[Measurement] = []
    progress: list[tuple[int, int]] = []
    before = torch.get_num_threads()
    first = measure(calls[:5], Runtime(), on_measured=fresh.append)
    assert [one.call for one in first] == list(calls[:5])
    assert {one.call.key for one in fresh} == {call.key for call in calls[:5]}
    assert all(one.median_us > 0 and one.spread_us >= 0 and one.count >= LEAST_VISITS for one in first)

    known = {one.call.key: one for one in first}
    fresh.clear()
    both = measure(calls, Runtime(), known=known, on_measured=fresh.append, on_progress=lambda *at: progress.append(at))
    assert {one.call.key for one in fresh} == {call.key for call in calls[5:]}
    assert list(both)[:5] == list(first)
    assert (both.remaining, progress[-1]) == (0, (9, 9))
    assert torch.get_num_threads() == before


def test_no_time_is_no_measurement(space: SearchSpace, shape: ModelShape) -> None:
    calls = list(space_calls(space, shape, [Workload("prefill", 1, 21)]))[:5]
    campaign = measure(calls, Runtime(), budget_seconds=0.0)
    assert (list(campaign), campaign.remaining) == ([], 5)


def test_only_quiet_visits_count() -> None:
    with pinned(1):
        sentinel = sentinel_for(1)
    usual = sentinel.usual_us
    timed: Timed[float] = Timed(sentinel, [(1.5 * usual, [9.0])] + [(usual, [1.0]) for _ in range(LEAST_VISITS)])
    assert timed.samples == [1.0] * LEAST_VISITS
    assert not timed.satisfied(LEAST_VISITS + 1)
    assert timed.satisfied(LEAST_VISITS)
    disturbed: Timed[float] = Timed(sentinel, [(1.9 * usual, [9.0])] + [(1.3 * usual, [2.0])] * LEAST_VISITS)
    assert disturbed.samples == [2.0] * LEAST_VISITS
    assert disturbed.slowdown == pytest.approx(0.3)
    assert not disturbed.satisfied(1)


def test_threads_are_pinned_and_restored() -> None:
    before = torch.get_num_threads()
    with pinned(1):
        assert torch.get_num_threads() == 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before
    with pytest.raises(InputError, match="threads"), pinned(0):
        pass


def test_whole_models(space: SearchSpace, shape: ModelShape, workload: Workload) -> None:
    architectures = [space.sample(Random(seed)) for seed in range(2)]
    rounds = measure_models(architectures, shape, workload, Runtime(), passes=2)
    assert [len(models) for models in rounds] == [2, 2]
    one = measure_model(architectures[0], shape, workload, Runtime())
    for measured in (one, *rounds[0], *rounds[1]):
        assert measured.latency_ms > 0
        assert measured.spread_ms >= 0
        assert measured.count >= LEAST_VISITS


def test_whole_model_must_fit(space: SearchSpace, shape: ModelShape) -> None:
    with pytest.raises(InputError, match="seq_len"):
        measure_model(space.sample(Random(0)), shape, Workload("prefill", 1, 41), Runtime())
