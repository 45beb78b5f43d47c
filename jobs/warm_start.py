"""Going on from another job's supernet: from its weights, and where these stay as they are from its scores too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..db import Evaluation, Job, Ledger
from ..errors import InputError
from ..evaluators.tasks import Task
from ..search_space import SearchSpace
from .config import JobConfig, parse_job


@dataclass(frozen=True)
class WarmStart:
    """A job whose supernet is taken over: the file of its weights, and the updates that made them."""

    job: Job
    weights: Path
    steps: int

    def evaluations(self, ledger: Ledger) -> list[Evaluation]:
        """Everything that it scored with these weights to the end, in its order."""
        recorded = ledger.recorded(self.job.id, "inherited").values()
        return [evaluation for evaluation in recorded if evaluation.val_loss is not None and not evaluation.seen_share]


def open_warm_start(ledger: Ledger, config: JobConfig, space: SearchSpace, task: Task) -> WarmStart | None:
    """What a job goes on from; None where it begins with nothing.

    Raises:
        InputError: there is no such job, it has no trained supernet, or its space or data are not this job's; with
            `training.steps` 0 also where it adapts norm weights otherwise before scoring.
    """
    if config.warm_start is None:
        return None
    job = ledger.job(config.warm_start.job)
    theirs = parse_job(job.config, job.id)
    if SearchSpace.parse(job.space, job.id) != space:
        raise InputError(f"warm_start.job: one of the space {space.name}; got {job.id}, whose space is another")
    if theirs.task != task.config or job.facts["data_revision"] != task.revision:
        raise InputError(f"warm_start.job: one of the same task and data; got {job.id}, whose task or data are others")
    if not config.training.steps and theirs.search.recalibrate_steps != config.search.recalibrate_steps:
        raise InputError(
            f"search.recalibrate_steps: {theirs.search.recalibrate_steps} as in {job.id}, whose scores are taken over; "
            f"got {config.search.recalibrate_steps}"
        )
    checkpoints = ledger.checkpoints(job.id).query("kind == 'supernet'")
    if not len(checkpoints) or not Path(checkpoints.iloc[-1]["path"]).is_file():
        raise InputError(f"warm_start.job: one with a trained supernet; got {job.id}, which has none")
    last = checkpoints.iloc[-1]
    return WarmStart(job, Path(last["path"]), int(last["step"]))
