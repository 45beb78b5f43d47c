"""Fine-tuning of front members on Ray Tune, from inherited weights, with early stopping.

Finalists differ in size, so their losses do not compete; ASHA compares how much each has gained over its inherited
loss and spends the steps where they still buy something.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from .progress import Mailbox, run_while_reading
from .tasks import Task, TaskConfig, open_task

REPORTS = 4
GRACE_REPORTS = 2
BATCH_SEED_OFFSET = 2**40


@dataclass(frozen=True)
class FinalistPlan:
    """How finalists are fine-tuned; each uses `threads` threads, `workers` of them at once."""

    task: TaskConfig
    space: dict[str, Any]
    options: TrainerOptions
    batch_size: int
    workers: int
    threads: int
    seed: int
    run_dir: str


@dataclass(frozen=True)
class Finalist:
    """A fine-tuned front member: its best validation loss in nats per example, and the file with those weights."""

    digest: str
    val_loss: float
    steps: int
    seconds: float
    weights_path: str


def fine_tune(
    plan: FinalistPlan,
    supernet: Supernet,
    architectures: Sequence[Architecture],
    on_finalist: Callable[[Finalist], None],
) -> None:
    """Fine-tune each architecture from its inherited weights and hand over each as it ends.

    Raises:
        RuntimeError: a finalist failed; the message has the first failure.
    """
    shared = {name: tensor.detach().numpy() for name, tensor in supernet.shared.items()}
    mailbox = Mailbox.remote()  # type: ignore[attr-defined]
    latest: dict[str, Finalist] = {}
    told: set[str] = set()

    def on_message(message: dict[str, Any]) -> None:
        if message["kind"] == "report":
            latest[message["finalist"]["digest"]] = Finalist(**message["finalist"])
        elif message["digest"] in latest and message["digest"] not in told:
            told.add(message["digest"])
            on_finalist(latest[message["digest"]])

    with tempfile.TemporaryDirectory(prefix="frontier-tune-") as scratch:
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(_fine_tune_one, plan=plan, shared=shared, mailbox=mailbox), {"cpu": plan.threads}
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
                name="finalists", storage_path=scratch, verbose=0, callbacks=[_TellWhenComplete(mailbox)]
            ),
        )
        results = run_while_reading(tuner.fit, mailbox, on_message)
    if results.errors:
        raise RuntimeError(f"a finalist failed: {results.errors[0]}")
    for digest in latest.keys() - told:
        on_finalist(latest[digest])


class _TellWhenComplete(tune.Callback):
    """Passes on that a trial ended, by itself or because ASHA stopped it."""

    def __init__(self, mailbox: Any) -> None:
        self._mailbox = mailbox

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        digest = Architecture.from_json(trial.config["architecture"]).digest
        self._mailbox.put.remote({"kind": "complete", "digest": digest})


def _fine_tune_one(config: dict[str, Any], plan: FinalistPlan, shared: dict[str, np.ndarray], mailbox: Any) -> None:
    torch.set_num_threads(plan.threads)
    task = open_task(plan.task)
    architecture = Architecture.from_json(config["architecture"])
    tensors = {name: torch.from_numpy(array.copy()) for name, array in shared.items()}
    model = Supernet(SearchSpace.parse(plan.space), task.shape, shared=tensors).extract(architecture)
    inherited = best = _validate(model, task)
    path = Path(plan.run_dir) / "finalists" / f"{architecture.digest}.safetensors"
    report_every = -(-plan.options.steps // REPORTS)
    started = time.monotonic()
    save_tensors(model.state_dict(), path)
    first = BATCH_SEED_OFFSET + plan.seed
    batches = (task.train_batch(plan.batch_size, first + step) for step in range(plan.options.steps))
    for step, _ in enumerate(updates(model, plan.options, batches), start=1):
        if step % report_every and step < plan.options.steps:
            continue
        loss = _validate(model, task)
        if loss < best:
            best = loss
            save_tensors(model.state_dict(), path)
        seconds = time.monotonic() - started
        finalist = Finalist(architecture.digest, best, step, seconds, str(path))
        mailbox.put.remote({"kind": "report", "finalist": finalist.__dict__})
        tune.report({"gain_nats": inherited - best, "val_loss": best})


@torch.inference_mode()
def _validate(model: torch.nn.Module, task: Task) -> float:
    inputs, targets = task.validation_batch()
    return cross_entropy(model(inputs), targets).item()
