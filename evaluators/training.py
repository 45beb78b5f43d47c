"""Supernet training on Ray Train: data-parallel workers, checkpoints, resume.

Every worker visits random subnets of its own on its own batch and gradients are averaged, so one update on n workers
trains n times as many subnets on n times as many examples. What a worker draws for a step depends on the seed, the step
and its rank alone; so a run that was killed and resumed takes the same steps as one that was not, as long as it has as
many workers.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import TorchTrainer
from torch import Tensor, distributed

from ..search_space import Architecture, SearchSpace
from ..supernet import Shape, Supernet
from ..supernet.checkpoint import load_tensors, save_tensors
from ..supernet.expert_load import ExpertLoad, expert_load
from ..supernet.optimizer import TrainerOptions
from ..supernet.trainer import Batch, SupernetTrainer, cross_entropy
from ..supernet.training_rules import MOST_BATCHES, RULES
from ..supernet.workers import ALONE, Workers
from .initial_weights import read_initial_weights, shared_weights
from .on_device import GpuSupernet, Precision, computing_in, device_of, usual_precision
from .progress import Mailbox, Outbox, run_while_reading
from .tasks import TaskConfig, open_task

WEIGHTS_FILE = "supernet.safetensors"
RANKS = 4096
WORKER_FAILURES = 3


@dataclass(frozen=True)
class TrainingPlan:
    """Everything a training worker needs to know; plain data, so that it travels.

    Attributes:
        workers: how many, or the fewest and the most: then training takes what the cluster has and goes on with more
            or fewer as that changes, from its last checkpoint.
        use_gpu: one GPU per worker.
        precision: what forward and backward passes compute with; None is bfloat16 on GPUs and float32 elsewhere.
        initial_weights: a file that `train_supernet` left for the same space and shape, whose weights this training
            begins with.
    """

    task: TaskConfig
    space: dict[str, Any]
    options: TrainerOptions
    batch_size: int
    rule: str
    random_subnets: int
    workers: int | tuple[int, int]
    threads: int
    use_gpu: bool
    seed: int
    run_dir: str
    report_every: int
    checkpoint_every: int
    precision: Precision | None = None
    initial_weights: str | None = None


@dataclass(frozen=True)
class TrainingReport:
    """Where training stands: validation loss of the smallest and the largest subnet, in nats per example.

    `expert_load` says how evenly tokens are spread over experts; it is None where a space has no routers.
    """

    step: int
    smallest_nats: float
    largest_nats: float
    seconds: float
    expert_load: ExpertLoad | None = None


def train_supernet(plan: TrainingPlan, on_report: Callable[[TrainingReport], None]) -> Path:
    """Train the supernet, going on from the last checkpoint of the same run folder.

    Returns:
        The safetensors file with the shared weights and the optimiser's state.

    Raises:
        InputError: the initial weights are of another space or shape.
        ray.train.TrainingFailedError: workers failed more often than they are restarted.
    """
    final = Path(plan.run_dir) / WEIGHTS_FILE
    if final.is_file():
        return final
    initial = None
    if plan.initial_weights is not None:
        space = SearchSpace.parse(plan.space)
        initial = read_initial_weights(Path(plan.initial_weights), space, plan.task.shape)
    mailbox = Mailbox.remote()  # type: ignore[attr-defined]
    trainer = TorchTrainer(
        _train_on_worker,
        train_loop_config={"plan": plan, "mailbox": mailbox, "initial": ray.put(initial)},
        scaling_config=ray.train.ScalingConfig(
            num_workers=plan.workers, use_gpu=plan.use_gpu, resources_per_worker={"CPU": plan.threads}
        ),
        run_config=ray.train.RunConfig(
            name="supernet",
            storage_path=str(Path(plan.run_dir).resolve()),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
            failure_config=ray.train.FailureConfig(max_failures=WORKER_FAILURES),
        ),
    )
    result = run_while_reading(trainer.fit, mailbox, lambda message: on_report(TrainingReport(**message)))
    save_tensors(load_tensors(Path(result.checkpoint.path) / WEIGHTS_FILE), final)
    return final


def _train_on_worker(config: dict[str, Any]) -> None:
    plan: TrainingPlan = config["plan"]
    context = ray.train.get_context()
    rank, count = context.get_world_rank(), context.get_world_size()
    torch.set_num_threads(plan.threads)
    task = open_task(plan.task)
    space = SearchSpace.parse(plan.space)
    device, precision = device_of(plan.use_gpu), plan.precision or usual_precision(plan.use_gpu)
    kind = GpuSupernet if plan.use_gpu else Supernet
    trainer = SupernetTrainer(kind(space, task.shape, plan.seed), plan.options)
    _take_up(trainer, ray.get(config["initial"]), device)
    workers = Workers(rank, count, partial(_average, device=device)) if count > 1 else ALONE
    outbox = Outbox(config["mailbox"])
    started = time.monotonic()
    if trainer.step_index == plan.options.steps:
        _save(trainer, rank)
    while trainer.step_index < plan.options.steps:
        step = trainer.step_index

        def batch_of(number: int, step: int = step) -> Batch:
            seed = batch_seed(plan.seed, plan.options.steps, step, rank, number)
            return _moved(task.train_batch(plan.batch_size, seed), device)

        with computing_in(precision, device):
            trainer.follow(RULES[plan.rule], plan.seed, plan.random_subnets, batch_of, workers)
        last = trainer.step_index == plan.options.steps
        if rank == 0 and (last or trainer.step_index % plan.report_every == 0):
            validation = _moved(task.validation_batch(), device)
            outbox.send(_report(trainer, validation, time.monotonic() - started))
        if last or trainer.step_index % plan.checkpoint_every == 0:
            outbox.deliver()  # who goes on from the checkpoint reports only what comes after it
            _save(trainer, rank)


def _take_up(trainer: SupernetTrainer, initial: dict[str, Tensor] | None, device: str) -> None:
    """Go on from the last checkpoint, or begin with the initial weights where there are any."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        with torch.no_grad():
            for name, tensor in (initial or {}).items():
                trainer.supernet.shared[name].copy_(tensor)
        return
    with checkpoint.as_directory() as folder:
        tensors = load_tensors(Path(folder) / WEIGHTS_FILE)
    # AdamW counts its steps on the CPU wherever the weights are.
    trainer.load_state(
        {name: tensor if name.startswith("optimizer.step.") else tensor.to(device) for name, tensor in tensors.items()}
    )


def _moved(batch: Batch, device: str) -> Batch:
    inputs, targets = batch
    return inputs.to(device), targets.to(device)


def batch_seed(seed: int, steps: int, step: int, rank: int = 0, number: int = 0) -> int:
    """What a worker's batch of a step is drawn with. No two batches of one training of so many steps have the same."""
    return ((seed * steps + step) * MOST_BATCHES + number) * RANKS + rank


def _report(trainer: SupernetTrainer, validation: tuple[Tensor, Tensor], seconds: float) -> dict[str, Any]:
    inputs, targets = validation
    space = trainer.supernet.space

    @torch.inference_mode()
    def validate(architecture: Architecture) -> float:
        return cross_entropy(trainer.supernet(architecture, inputs), targets).item()

    return {
        "step": trainer.step_index,
        "smallest_nats": validate(space.smallest()),
        "largest_nats": validate(space.largest()),
        "seconds": seconds,
        "expert_load": expert_load(trainer.supernet, inputs),
    }


def _save(trainer: SupernetTrainer, rank: int) -> None:
    """Every worker reports, the first with the weights: Ray Train waits for all of them."""
    metrics = {"step": trainer.step_index}
    if rank:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        save_tensors(trainer.state(), Path(folder) / WEIGHTS_FILE)
        ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _average(tensors: list[Tensor], device: str) -> None:
    """Average tensors over the workers in one message, which lies on their devices meanwhile."""
    flat = torch.cat([tensor.flatten() for tensor in tensors]).to(device)
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    offset = 0
    for tensor in tensors:
        tensor.copy_(flat[offset : offset + tensor.numel()].view_as(tensor))
        offset += tensor.numel()


def load_supernet(path: Path, space: SearchSpace, shape: Shape) -> Supernet:
    """The supernet whose weights `train_supernet` left at `path`."""
    return Supernet(space, shape, shared=shared_weights(load_tensors(path)))
