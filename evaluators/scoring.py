"""A pool of Ray actors that score subnets with inherited weights.

The weights are put into the object store once and read by every actor without a copy. Work is given out in batches, to
those workers that are up; others join when the cluster has room for them. What a lost worker had is given out again,
each architecture of the call that ran then by itself, so that only the guilty one is blamed; one that keeps failing is
reported with its reason.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

import ray
from ray.exceptions import RayError

from ..search_space import Architecture
from ..supernet import Supernet
from ..supernet.trainer import Batch as Examples
from .on_device import GpuSupernet, Precision, usual_precision
from .score import Score
from .scorer import Outcome, ScoringSetup
from .scoring_worker import CHECKS_PER_LIMIT, IN_FLIGHT, Batch, Call, Worker

ATTEMPTS = 3
START_ATTEMPTS = 3


class ScoringPool:
    """Scores batches; they come back in the order they were submitted.

    Args:
        supernet: whose weights are shared with the workers. Without GPUs they build one of the same class.
        validation: inputs and targets that every subnet sees.
        workers: how many actors, each with `threads` threads. There may be more of them than the cluster has room for.
        recalibration: training batches on which the norm weights of a copy of each subnet are adapted before it is
            scored, one step per batch; none scores subnets as they are.
        limit_seconds: how long an architecture may take; after that its worker is replaced. None waits for ever.
        parts: into how many the validation examples are divided. After each of them an architecture may be given up;
            1 sees all at once.
        use_gpu: one GPU per worker.
        precision: what the forward pass computes with; None is bfloat16 on GPUs and float32 elsewhere.
        attempts: how often an architecture is begun before it has failed.
    """

    def __init__(
        self,
        supernet: Supernet,
        validation: Examples,
        workers: int,
        threads: int,
        recalibration: Sequence[Examples] = (),
        *,
        limit_seconds: float | None = None,
        parts: int = 1,
        use_gpu: bool = False,
        precision: Precision | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        kind = GpuSupernet if use_gpu else type(supernet)
        precision = precision or usual_precision(use_gpu)
        space = supernet.space.to_json()
        self._setup = ScoringSetup(kind, space, supernet.shape, threads, parts, use_gpu, precision)
        self._weights = ray.put({name: tensor.detach().cpu().numpy() for name, tensor in supernet.shared.items()})
        self._examples = ray.put([tuple(tensor.numpy() for tensor in batch) for batch in (validation, *recalibration)])
        self._limit_seconds = limit_seconds
        self._attempts = attempts
        self._workers = [self._start(f"worker {index}") for index in range(workers)]
        self._failed_starts = 0
        self._queue: deque[Call] = deque()
        self._batches: deque[Batch] = deque()

    @property
    def waiting(self) -> int:
        """How many batches have been submitted and not returned."""
        return len(self._batches)

    @property
    def workers_up(self) -> int:
        """How many workers have started."""
        return sum(worker.is_up for worker in self._workers)

    def submit(self, architectures: Sequence[Architecture], bounds: Sequence[float | None] | None = None) -> None:
        """Put a batch at the end of the queue.

        Args:
            bounds: for each architecture the loss, in nats per example, above which it is of no use, or None. It is
                given up when its loss on the first parts of the examples says so: see `early_exit`.
        """
        assert bounds is None or len(bounds) == len(architectures)
        batch = Batch(architectures, bounds or [None] * len(architectures))
        self._batches.append(batch)
        if architectures:
            self._queue.append(Call(batch, tuple(range(len(architectures)))))
        self._advance(0.0)

    def next(self) -> list[Score]:
        """The scores of the oldest batch, in its order; waits for them.

        Raises:
            RuntimeError: no worker can be started.
        """
        batch = self._batches[0]
        patience = None if self._limit_seconds is None else self._limit_seconds / CHECKS_PER_LIMIT
        while None in batch.scores:
            self._advance(patience)
            self._replace_overdue()
        self._batches.popleft()
        return [score for score in batch.scores if score is not None]

    def resize(self, workers: int) -> None:
        """Have another number of workers from now on. What those that go were at is given out again."""
        for index in range(len(self._workers), workers):
            self._workers.append(self._start(f"worker {index}"))
        while len(self._workers) > workers:
            self._queue.extendleft(reversed(self._workers.pop().dismiss()))

    def wait_for_workers(self, seconds: float) -> bool:
        """Wait until all workers are up, for `seconds` at most; whether they are. Nothing else needs this."""
        deadline = time.monotonic() + seconds
        while self.workers_up < len(self._workers) and (left := deadline - time.monotonic()) > 0:
            self._advance(left)
        return self.workers_up == len(self._workers)

    def close(self) -> None:
        self.resize(0)

    def _advance(self, patience: float | None) -> None:
        """Give out what waits, then take what comes back first, within `patience` seconds."""
        self._give_out()
        awaited = {worker.awaited: worker for worker in self._workers if worker.awaited is not None}
        done = ray.wait(list(awaited), timeout=patience)[0] if awaited else []
        for reference in done:
            self._take(awaited[reference])
        self._give_out()

    def _give_out(self) -> None:
        """No worker has more than `IN_FLIGHT` calls, so that what a slow one would get goes to another."""
        while self._queue:
            free = [worker for worker in self._workers if worker.is_up and worker.load < IN_FLIGHT]
            if not free:
                return
            min(free, key=lambda worker: worker.load).give(self._queue.popleft())

    def _take(self, worker: Worker) -> None:
        if not worker.is_up:
            self._see_whether_it_started(worker)
            return
        try:
            call, outcomes = worker.take()
        except RayError as error:
            self._replace(worker, f"its worker died: {_one_line(error)}")
            return
        for position, outcome in zip(call.positions, outcomes, strict=True):
            self._settle(call.batch, position, outcome, worker.name)

    def _see_whether_it_started(self, worker: Worker) -> None:
        try:
            worker.started()
        except RayError as error:
            self._failed_starts += 1
            if not self.workers_up and self._failed_starts >= START_ATTEMPTS * len(self._workers):
                raise RuntimeError(f"no scoring worker can be started: {_one_line(error)}") from None
            self._replace(worker, "")
        else:
            self._failed_starts = 0

    def _replace_overdue(self) -> None:
        if self._limit_seconds is None:
            return
        for worker in list(self._workers):
            suspects = worker.overdue(self._limit_seconds)
            if suspects:
                self._replace(worker, f"took longer than {self._limit_seconds:g} s", suspects)

    def _replace(self, worker: Worker, reason: str, suspects: tuple[int, ...] | None = None) -> None:
        """A new worker in another's place; `suspects` of the call that ran, else all of it, have lost an attempt."""
        calls = worker.dismiss()
        self._workers[self._workers.index(worker)] = self._start(worker.name)
        if not calls:
            return
        ran, *later = calls
        self._queue.extendleft(reversed(later))
        innocent = tuple(p for p in ran.positions if suspects is not None and p not in suspects)
        if innocent:
            self._queue.appendleft(Call(ran.batch, innocent))
        lost = tuple(p for p in ran.positions if p not in innocent)
        outcome = Outcome(None, 0.0, reason, raised=True)
        for position in reversed(lost):
            self._settle(ran.batch, position, outcome, worker.name, convicted=len(lost) == 1)

    def _settle(self, batch: Batch, position: int, outcome: Outcome, worker: str, convicted: bool = True) -> None:
        """Note an outcome, or give the architecture out again by itself while it has attempts left."""
        batch.attempts[position] += 1
        attempts = batch.attempts[position]
        if outcome.raised and (attempts < self._attempts or not convicted):
            self._queue.appendleft(Call(batch, (position,)))
            return
        digest = batch.architectures[position].digest
        loss, seconds, reason, _, share_seen = outcome
        batch.scores[position] = Score(digest, loss, seconds, worker, reason, attempts, share_seen)

    def _start(self, name: str) -> Worker:
        return Worker(name, self._setup, self._weights, self._examples)


def _one_line(error: RayError) -> str:
    """What Ray says: the exception at the end of a traceback, or else everything but the list of the actor's ids."""
    lines = str(error).strip().splitlines()
    told = lines[-1:] if "Traceback" in str(error) or "ray::" in lines[0] else [s for s in lines if s[:1] != "\t"]
    return " ".join(" ".join(told).split())[:200]


__all__ = ["Score", "ScoringPool"]
