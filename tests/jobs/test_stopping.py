"""When a search ends early, and which candidates are not worth scoring to the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from frontier.db import Evaluation
from frontier.jobs.config import parse_job
from frontier.jobs.stopping import Stopping


def stopping(**search: Any) -> Stopping:
    return Stopping(parse_job({"name": "s", "search": search, "objectives": ["val_loss", "latency_ms"]}, "s"))


def evaluation(number: int, val_loss: float, latency_ms: float, state: str = "complete") -> Evaluation:
    return Evaluation({}, f"{number:016x}", "inherited", state, val_loss=val_loss, latency_ms=latency_ms)


def test_nothing_ends_a_search_that_set_no_limit() -> None:
    search = stopping()
    for number in range(50):
        search.tell(evaluation(number, 2.0, 1.0))
    assert search.reason(1e9) == ""


def test_time_is_counted_with_what_earlier_runs_took() -> None:
    search = stopping(seconds=60)
    assert search.reason(59.9) == ""
    assert "60 seconds are over after 0 evaluations" in search.reason(60.0)


def test_a_front_that_stands_still_ends_the_search_and_one_that_grows_does_not() -> None:
    growing, still = stopping(patience=10), stopping(patience=10)
    for number in range(40):
        growing.tell(evaluation(number, 3.0 - number / 20, 1.0 + number))
        still.tell(evaluation(number, 3.0 - min(number, 8) / 20, 1.0 + min(number, 8) + (number > 8)))
    assert growing.reason(0.0) == ""
    assert "the last 10 of 40 evaluations gained less than 0.10%" in still.reason(0.0)


@pytest.mark.parametrize("least_gain", [0.0, 0.9])
def test_what_counts_as_a_gain_is_the_jobs_to_say(least_gain: float) -> None:
    search = stopping(patience=5, least_gain=least_gain)
    for number in range(10):
        search.tell(evaluation(number, 3.0 - number / 100, 1.0 + number))
    assert bool(search.reason(0.0)) == (least_gain == 0.9)


def test_a_candidate_is_bound_by_the_best_that_costs_no_more() -> None:
    search = stopping(give_up_margin=0.1)
    for number, (loss, latency) in enumerate([(3.0, 1.0), (2.0, 2.0), (1.0, 4.0), (9.0, 0.1)]):
        search.tell(evaluation(number, loss, latency, state="failed" if number == 3 else "complete"))
    bounds = search.bounds(np.array([[np.nan, 0.5], [np.nan, 1.0], [np.nan, 3.0], [np.nan, 100.0]]))
    assert bounds[0] is None
    assert bounds[1:] == pytest.approx([3.3, 2.2, 1.1])


def test_only_what_is_complete_is_on_the_front() -> None:
    search = stopping()
    assert search.tell(evaluation(0, 2.0, 2.0))
    assert not search.tell(evaluation(1, 3.0, 3.0))
    assert not search.tell(evaluation(2, 1.0, 1.0, state="hopeless"))
    assert search.tell(evaluation(3, 1.0, 3.0))
    assert search.best() == "best loss 1.000 nats"
