"""A pool of Ray actors that score subnets with inherited weights.

The weights are put into the object store once and read by every actor without a copy. Work is given out in batches; a
lost worker's batch is given out again; an architecture that keeps failing is reported with its reason.
"""

from __future__ import annotations

import math
import time
import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch
from ray.exceptions import RayActorError

from ..search_space import Architecture, SearchSpace
from ..supernet import Shape, Supernet
from ..supernet.recalibration import recalibrated
from ..supernet.trainer import Batch, cross_entropy

ATTEMPTS = 3


@dataclass(frozen=True)
class Score:
    """What a worker says of one architecture. `val_loss` in nats per example is None when it failed for `reason`."""

    digest: str
    val_loss: float | None
    seconds: float
    worker: str
    reason: str | None = None


@dataclass
class _Batch:
    architectures: Sequence[Architecture]
    worker: int
    reference: Any
    attempts: int = 1


class ScoringPool:
    """Scores batches in the order they were submitted.

    Args:
        supernet: whose weights are shared with the workers.
        validation: inputs and targets that every subnet sees.
        workers: how many actors, each with `threads` threads.
        recalibration: training batches on which the norm weights of a copy of each subnet are adapted before it is
            scored, one step per batch; none scores subnets as they are.
    """

    def __init__(
        self,
        supernet: Supernet,
        validation: Batch,
        workers: int,
        threads: int,
        recalibration: Sequence[Batch] = (),
    ) -> None:
        shared = {name: tensor.detach().numpy() for name, tensor in supernet.shared.items()}
        batches = [tuple(tensor.numpy() for tensor in batch) for batch in (validation, *recalibration)]
        self._arguments = (supernet.space.to_json(), supernet.shape, ray.put(shared), ray.put(batches), threads)
        self._actors = [self._start() for _ in range(workers)]
        self._batches: deque[_Batch] = deque()

    @property
    def waiting(self) -> int:
        """How many batches have been submitted and not returned."""
        return len(self._batches)

    def submit(self, architectures: Sequence[Architecture]) -> None:
        """Give a batch to the worker with the fewest batches."""
        load = [sum(batch.worker == index for batch in self._batches) for index in range(len(self._actors))]
        worker = load.index(min(load))
        self._batches.append(_Batch(architectures, worker, self._send(worker, architectures)))

    def next(self) -> list[Score]:
        """The scores of the oldest batch, in its order; waits for them."""
        batch = self._batches.popleft()
        while True:
            try:
                return list(ray.get(batch.reference))
            except RayActorError as error:
                self._replace(batch.worker)
                if batch.attempts < ATTEMPTS:
                    batch.attempts += 1
                    batch.reference = self._send(batch.worker, batch.architectures)
                elif len(batch.architectures) == 1:
                    reason = f"its worker died {ATTEMPTS} times: {' '.join(str(error).split())[:200]}"
                    return [Score(batch.architectures[0].digest, None, 0.0, f"worker {batch.worker}", reason)]
                else:
                    return [score for architecture in batch.architectures for score in self._alone(architecture)]

    def close(self) -> None:
        for actor in self._actors:
            ray.kill(actor)

    def _start(self) -> Any:
        return _Scorer.options(num_cpus=self._arguments[-1]).remote(*self._arguments)  # type: ignore[attr-defined]

    def _send(self, worker: int, architectures: Sequence[Architecture]) -> Any:
        return self._actors[worker].score.remote([item.canonical for item in architectures], worker)

    def _replace(self, worker: int) -> None:
        """A new actor in a dead one's place, with the batches that waited there."""
        self._actors[worker] = self._start()
        for batch in self._batches:
            if batch.worker == worker:
                batch.reference = self._send(worker, batch.architectures)

    def _alone(self, architecture: Architecture) -> list[Score]:
        """Score one architecture of a batch that keeps killing its worker, so that only the guilty one fails."""
        self._batches.appendleft(_Batch([architecture], 0, self._send(0, [architecture])))
        return self.next()


@ray.remote
class _Scorer:
    def __init__(
        self,
        space: dict[str, Any],
        shape: Shape,
        shared: dict[str, np.ndarray],
        batches: Sequence[tuple[np.ndarray, ...]],
        threads: int,
    ) -> None:
        torch.set_num_threads(threads)
        with warnings.catch_warnings():
            # The arrays are read-only because other processes read them too, and nothing here writes to them.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            tensors = {name: torch.from_numpy(array) for name, array in shared.items()}
            self._validation, *self._recalibration = [
                (torch.from_numpy(inputs), torch.from_numpy(targets)) for inputs, targets in batches
            ]
        self._supernet = Supernet(SearchSpace.parse(space), shape, shared=tensors)

    def score(self, architectures: Sequence[str], worker: int) -> list[Score]:
        return [self._score(Architecture.from_json(text), f"worker {worker}") for text in architectures]

    def _score(self, architecture: Architecture, worker: str) -> Score:
        started = time.perf_counter()
        try:
            loss = self._validate(architecture)
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return Score(architecture.digest, None, time.perf_counter() - started, worker, reason)
        seconds = time.perf_counter() - started
        if not math.isfinite(loss):
            return Score(architecture.digest, None, seconds, worker, f"its validation loss is {loss}")
        return Score(architecture.digest, loss, seconds, worker)

    def _validate(self, architecture: Architecture) -> float:
        inputs, targets = self._validation
        if not self._recalibration:
            with torch.inference_mode():
                return cross_entropy(self._supernet(architecture, inputs), targets).item()
        model = recalibrated(self._supernet, architecture, self._recalibration)
        with torch.inference_mode():
            return cross_entropy(model(inputs), targets).item()
