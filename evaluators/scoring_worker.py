"""One worker of a scoring pool as the driver sees it: an actor, whether it is up, and the calls it was given."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import ray
from ray.exceptions import RayError

from ..search_space import Architecture
from .score import Score
from .scorer import Outcome, Progress, Scorer, ScoringSetup

IN_FLIGHT = 2
ANSWER_SECONDS = 2.0
CHECKS_PER_LIMIT = 4


@dataclass
class Batch:
    """What was submitted together. `scores` fill in any order; `attempts` counts how often each was begun and lost."""

    architectures: Sequence[Architecture]
    bounds: Sequence[float | None]
    scores: list[Score | None] = field(init=False)
    attempts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.scores = [None] * len(self.architectures)
        self.attempts = [0] * len(self.architectures)


@dataclass(frozen=True)
class Call:
    """Architectures of a batch that go to a worker in one call, by their positions."""

    batch: Batch
    positions: tuple[int, ...]


@dataclass
class _Given:
    call: Call
    number: int
    reference: Any


class Worker:
    """An actor that is starting, or up with up to `IN_FLIGHT` calls: the first of them runs.

    Args:
        name: as it appears in scores.
        setup: how it scores.
        weights, batches: references to the shared weights and the batches of examples.
    """

    _numbers = count()

    def __init__(self, name: str, setup: ScoringSetup, weights: Any, batches: Any) -> None:
        self.name = name
        options = {"num_cpus": setup.threads, "num_gpus": int(setup.use_gpu), "scheduling_strategy": "SPREAD"}
        self._actor = Scorer.options(**options).remote(setup, weights, batches)  # type: ignore[attr-defined]
        self._starting: Any = self._actor.ready.remote()
        self._given: deque[_Given] = deque()
        self._began = self._check_at = 0.0

    @property
    def is_up(self) -> bool:
        return self._starting is None

    @property
    def load(self) -> int:
        """How many calls it has."""
        return len(self._given)

    @property
    def awaited(self) -> Any:
        """The reference that is ready next: that it is up, or its first call's outcomes; None when it idles."""
        if self._starting is not None:
            return self._starting
        return self._given[0].reference if self._given else None

    def started(self) -> None:
        """Take note that it is up. Raises RayError when it did not get there."""
        ray.get(self._starting)
        self._starting = None

    def give(self, call: Call) -> None:
        number = next(self._numbers)
        canonical = [call.batch.architectures[position].canonical for position in call.positions]
        bounds = [call.batch.bounds[position] for position in call.positions]
        self._given.append(_Given(call, number, self._actor.score.remote(number, canonical, bounds)))
        if len(self._given) == 1:
            self._begin()

    def take(self) -> tuple[Call, list[Outcome]]:
        """The first call, with its outcomes. Raises RayError when the worker was lost, and then keeps the call."""
        outcomes = ray.get(self._given[0].reference)
        call = self._given.popleft().call
        self._begin()
        return call, outcomes

    def overdue(self, limit_seconds: float) -> tuple[int, ...] | None:
        """Positions in the batch, one of which holds the worker up for longer than the limit, if any does.

        The worker is asked which one it is on. If it does not answer, the whole call is what holds it up, once it has
        had the limit for every architecture.
        """
        now = time.monotonic()
        if not self.is_up or not self._given or now < max(self._check_at, self._began + limit_seconds):
            return None
        self._check_at = now + limit_seconds / CHECKS_PER_LIMIT
        first = self._given[0]
        try:
            on: Progress = ray.get(self._actor.progress.remote(), timeout=ANSWER_SECONDS)
        except RayError:
            patient = now < self._began + limit_seconds * len(first.call.positions)
            return None if patient else first.call.positions
        if on.call != first.number or on.seconds <= limit_seconds:
            return None
        return (first.call.positions[on.position],)

    def dismiss(self) -> list[Call]:
        """End the actor; the calls it had, the one that ran first."""
        ray.kill(self._actor)
        calls = [given.call for given in self._given]
        self._given.clear()
        return calls

    def _begin(self) -> None:
        self._began = time.monotonic()
