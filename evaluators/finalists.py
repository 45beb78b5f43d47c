"""Fine-tuning of front members on Ray Tune, from inherited weights, with early stopping.

Finalists differ in size, so their losses do not compete; ASHA compares how much each has gained over its inherited
loss and spends the steps where they still buy something. One that fails is begun again, from its inherited weights,
and is handed over with its reason when it keeps failing.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from ..search_space import Architecture, SearchSpace
from ..supernet import Supernet
from ..supernet.checkpoint import save_tensors
from ..supernet.lone import updates
from ..supernet.optimizer import TrainerOptions
from ..supernet.trainer import cross_entropy
from .progress import Mailbox, Outbox, run_while_reading
from .tasks import Task, TaskConfig, open_task

REPORTS = 4
GRACE_REPORTS = 2
BATCH_SEED_OFFSET = 2**40


@dataclass(frozen=True)
class FinalistPlan:
    """How finalists are fine-tuned; each uses `threads` threads, `workers` of them at once.

    `distill_weight` is the share of the largest subnet's predictions, with the supernet's weights, in what they learn
    from; one that fails is begun again up to `retries` times.
    """

    task: TaskConfig
    space: dict[str, Any]
    options: TrainerOptions
    batch_size: int
    workers: int
    threads: int
    seed: int
    run_dir: str
    distill_weight: float = 0.0
    retries: int = 2


@dataclass(frozen=True)
class Finalist:
    """A fine-tuned front member: its best validation loss in nats per example, and the file with those weights.

    Both are None when it failed, for `reason`.
    """

    digest: str
    val_loss: float | None
    steps: int
    seconds: float
    weights_path: str | None
    reason: str | None = None


def fine_tune(
    plan: FinalistPlan,
    supernet: Supernet,
    architectures: Sequence[Architecture],
    on_finalist: Callable[[Finalist], None],
) -> None:
    """Fine-tune each architecture from its inherited weights and hand over each as it ends or has failed."""
    shared = {name: tensor.detach().numpy() for name, tensor in supernet.shared.items()}
    mailbox = Mailbox.remote()  # type: ignore[attr-defined]
    outcomes = _Outcomes(on_finalist)
    with tempfile.TemporaryDirectory(prefix="frontier-tune-") as scratch:
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(_fine_tune_one, plan=plan, kind=type(supernet), shared=shared, mailbox=mailbox),
                {"cpu": plan.threads},
            ),
            param_space={"architecture": tune.grid_search([item.canonical for item in architectures])},
            tune_config=tune.TuneConfig(
                metric="gain_nats",
                mode="max",
                scheduler=ASHAScheduler(
                    max_t=REPORTS, grace_period=GRACE_REPORTS, reduction_factor=2, stop_last_trials=False
                ),
                max_concurrent_trials=plan.workers,
            ),
            run_config=tune.RunConfig(
                name="finalists",
                storage_path=scratch,
                verbose=0,
                callbacks=[_TellHowItEnded(mailbox)],
                failure_config=tune.FailureConfig(max_failures=plan.retries),
            ),
        )
        run_while_reading(tuner.fit, mailbox, outcomes.take)
    for architecture in architectures:
        outcomes.end(architecture.digest)


class _Outcomes:
    """What is known of each finalist; hands over each once."""

    def __init__(self, on_finalist: Callable[[Finalist], None]) -> None:
        self._on_finalist = on_finalist
        self._latest: dict[str, Finalist] = {}
        self._errors: dict[str, str] = {}
        self._told: set[str] = set()

    def take(self, message: dict[str, Any]) -> None:
        digest = message["digest"]
        if message["kind"] == "report":
            self._latest[digest] = message["finalist"]
        elif message["kind"] == "error":
            self._errors[digest] = message["reason"]
        else:
            self.end(digest, failed=message["kind"] == "failed")

    def end(self, digest: str, failed: bool = False) -> None:
        if digest in self._told:
            return
        self._told.add(digest)
        finalist = self._latest.get(digest)
        if finalist is None or failed:
            reason = self._errors.get(digest, "its worker died")
            finalist = Finalist(digest, None, 0, 0.0, None, reason)
        self._on_finalist(finalist)


class _TellHowItEnded(tune.Callback):
    """Passes on that a trial ended, by itself, because ASHA stopped it, or because it failed too often."""

    def __init__(self, mailbox: Any) -> None:
        self._mailbox = mailbox

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell("complete", trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell("failed", trial)

    def _tell(self, kind: str, trial: Any) -> None:
        digest = Architecture.from_json(trial.config["architecture"]).digest
        # Not waited for: this holds up every trial, and who is not told of by the end is told of then.
        Outbox(self._mailbox).send({"kind": kind, "digest": digest})


def _fine_tune_one(
    config: dict[str, Any], plan: FinalistPlan, kind: type[Supernet], shared: dict[str, np.ndarray], mailbox: Any
) -> None:
    """One trial; why it failed is told before Ray Tune learns that it did."""
    architecture, outbox = Architecture.from_json(config["architecture"]), Outbox(mailbox)
    try:
        tensors = {name: torch.from_numpy(array.copy()) for name, array in shared.items()}
        task = open_task(plan.task)
        _train(architecture, kind(SearchSpace.parse(plan.space), task.shape, shared=tensors), task, plan, outbox)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        outbox.send({"kind": "error", "digest": architecture.digest, "reason": reason})
        outbox.deliver()
        raise


def _train(architecture: Architecture, supernet: Supernet, task: Task, plan: FinalistPlan, outbox: Outbox) -> None:
    torch.set_num_threads(plan.threads)
    model = supernet.extract(architecture)
    inherited = best = _validate(model, task)
    if not math.isfinite(inherited):
        raise ValueError(f"its inherited validation loss is {inherited}")
    path = Path(plan.run_dir) / "finalists" / f"{architecture.digest}.safetensors"
    report_every = -(-plan.options.steps // REPORTS)
    started = time.monotonic()
    save_tensors(model.state_dict(), path)
    first = BATCH_SEED_OFFSET + plan.seed
    batches = (task.train_batch(plan.batch_size, first + step) for step in range(plan.options.steps))
    teacher = partial(supernet, supernet.space.largest())
    losses = updates(model, plan.options, batches, teacher, plan.distill_weight)
    for step, _ in enumerate(losses, start=1):
        if step % report_every and step < plan.options.steps:
            continue
        loss = _validate(model, task)
        if loss < best:
            best = loss
            save_tensors(model.state_dict(), path)
        seconds = time.monotonic() - started
        finalist = Finalist(architecture.digest, best, step, seconds, str(path))
        outbox.send({"kind": "report", "digest": finalist.digest, "finalist": finalist})
        outbox.deliver()  # ASHA may end this process next
        tune.report({"gain_nats": inherited - best, "val_loss": best})


@torch.inference_mode()
def _validate(model: torch.nn.Module, task: Task) -> float:
    inputs, targets = task.validation_batch()
    return cross_entropy(model(inputs), targets).item()
