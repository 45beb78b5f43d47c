"""The Ray actor that scores subnets: it reads the shared weights without a copy and validates one subnet after another.

B examples of a batch.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import ray
import torch
import torch.nn.functional as F
from torch import Tensor

from ..search_space import Architecture, SearchSpace
from ..supernet import Shape, Supernet
from ..supernet.recalibration import recalibrated
from ..supernet.trainer import Batch, cross_entropy
from .early_exit import LEAST_EXAMPLES, estimate
from .on_device import Precision, computing_in, device_of

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ScoringSetup:
    """How subnets are scored; plain data, so that it travels. `parts` is what the validation batch is seen in."""

    kind: type[Supernet]
    space: dict[str, Any]
    shape: Shape
    threads: int
    parts: int
    use_gpu: bool
    precision: Precision


class Outcome(NamedTuple):
    """What became of one architecture. With `raised` it may fare better in another attempt."""

    val_loss: float | None
    seconds: float
    reason: str | None = None
    raised: bool = False
    share_seen: float = 1.0


class Progress(NamedTuple):
    """Which architecture of which call a worker is on, and for how long."""

    call: int
    position: int
    seconds: float


@ray.remote(concurrency_groups={"progress": 1})
class Scorer:
    """Scores one call's architectures after the other; meanwhile it can be asked which one it is on.

    Args:
        shared: weights by name, read-only because other processes read them too.
        batches: the validation batch, then those for recalibration.
    """

    def __init__(
        self, setup: ScoringSetup, shared: dict[str, np.ndarray], batches: Sequence[tuple[np.ndarray, ...]]
    ) -> None:
        self._setup = setup
        self._device = device_of(setup.use_gpu)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            tensors = {name: torch.from_numpy(array) for name, array in shared.items()}
            validation, *recalibration = [
                (torch.from_numpy(inputs).to(self._device), torch.from_numpy(targets).to(self._device))
                for inputs, targets in batches
            ]
        self._validation: Batch = validation
        self._recalibration: list[Batch] = recalibration
        self._supernet = setup.kind(SearchSpace.parse(setup.space), setup.shape, shared=tensors)
        self._reference: tuple[Tensor, ...] = ()
        self._on = Progress(-1, 0, 0.0)

    def ready(self) -> None:
        """Answers once the worker is placed and has its weights."""

    @ray.method(concurrency_group="progress")
    def progress(self) -> Progress:
        """What it is on; `seconds` counts from when that began."""
        call, position, began = self._on
        return Progress(call, position, time.perf_counter() - began)

    def score(self, call: int, architectures: Sequence[str], bounds: Sequence[float | None]) -> list[Outcome]:
        """Outcomes in the order of asking. `call` is a number by which `progress` tells calls apart."""
        # The number of threads is a thread's own, and an actor's methods run in another one than its constructor.
        torch.set_num_threads(self._setup.threads)
        outcomes = []
        for position, (text, bound_nats) in enumerate(zip(architectures, bounds, strict=True)):
            self._on = Progress(call, position, time.perf_counter())
            outcomes.append(self._score(text, bound_nats))
        return outcomes

    def _score(self, text: str, bound_nats: float | None) -> Outcome:
        started = time.perf_counter()
        try:
            outcome = self._validate(self._forward(Architecture.from_json(text)), bound_nats)
        except torch.AcceleratorError:
            # A GPU that reported an error answers nothing more: the driver takes the worker for lost.
            raise
        except Exception as error:
            outcome = Outcome(None, 0.0, _reason(error), raised=True)
        return outcome._replace(seconds=time.perf_counter() - started)

    def _forward(self, architecture: Architecture) -> Forward:
        """The subnet, recalibrated if that was asked for."""
        with computing_in(self._setup.precision, self._device):
            if self._recalibration:
                return recalibrated(self._supernet, architecture, self._recalibration)
        return lambda inputs: self._supernet(architecture, inputs)

    def _validate(self, forward: Forward, bound_nats: float | None) -> Outcome:
        if self._setup.parts == 1:
            inputs, targets = self._validation
            with torch.inference_mode(), computing_in(self._setup.precision, self._device):
                loss = cross_entropy(forward(inputs), targets).item()
            return _outcome(loss)
        seen: list[Tensor] = []
        for losses_B in self._part_losses(forward):
            seen.append(losses_B)
            if bound_nats is not None and (outcome := self._give_up(seen, bound_nats)):
                return outcome
        return _outcome(torch.cat(seen).mean().item())

    def _part_losses(self, forward: Forward) -> Iterator[Tensor]:
        """Losses of every part's examples (B,). Each part is spread over the whole validation batch."""
        inputs, targets = self._validation
        parts = min(self._setup.parts, len(inputs))
        for part in range(parts):
            with torch.inference_mode(), computing_in(self._setup.precision, self._device):
                yield losses_of_examples(forward(inputs[part::parts]), targets[part::parts])

    def _give_up(self, seen: Sequence[Tensor], bound_nats: float) -> Outcome | None:
        """The outcome of an architecture that is beyond hope after these parts."""
        seen_N, total = torch.cat(list(seen)), len(self._validation[0])
        if not LEAST_EXAMPLES <= len(seen_N) < total:
            return None
        reference = self._reference_losses()
        known_N = torch.cat(reference[: len(seen)])
        found = estimate(seen_N, known_N, torch.cat(reference).mean().item(), total)
        if not found.is_above(bound_nats):
            return None
        share = len(seen_N) / total
        reason = (
            f"given up after {share:.0%} of the validation examples: {found.nats:.4f} nats, "
            f"standard error {found.error_nats:.4f}, bound {bound_nats:.4f}"
        )
        return Outcome(found.nats, 0.0, reason, share_seen=share)

    def _reference_losses(self) -> tuple[Tensor, ...]:
        """The largest subnet's losses, part by part."""
        if not self._reference:
            largest = self._supernet.space.largest()
            self._reference = tuple(self._part_losses(lambda inputs: self._supernet(largest, inputs)))
        return self._reference


def losses_of_examples(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean loss of every example (B,) in float64, of logits (B, ..., V) and targets (B, ...)."""
    losses = F.cross_entropy(logits.flatten(0, -2).float(), targets.flatten(), reduction="none")
    return losses.view(len(targets), -1).double().mean(dim=1)


def _outcome(loss: float) -> Outcome:
    return Outcome(loss, 0.0) if math.isfinite(loss) else Outcome(None, 0.0, f"its validation loss is {loss}")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return f"out of memory: {text or type(error).__name__}"
    return f"{type(error).__name__}: {text}"
