"""A job before it runs: what it names is read and checked, and it is written into the ledger."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..db import Job, Ledger
from ..errors import InputError
from ..evaluators.tasks import Task, open_task
from ..search_space import SearchSpace
from ..supernet.shapes import check_fits
from .algorithms import algorithm_factory
from .config import JobConfig
from .device import check_sizes
from .resources import check_gpus
from .warm_start import open_warm_start


@dataclass(frozen=True)
class Prepared:
    """A job that was checked as far as that goes without measuring anything. `source` names it in messages."""

    config: JobConfig
    source: str
    space: SearchSpace
    task: Task


def prepare(config: JobConfig, source: str) -> Prepared:
    """Read what a job names and check it. Nothing is written.

    Raises:
        InputError: the space or the data is missing or wrong, they don't go together, or no architecture can meet a
            limit on its size.
    """
    with named(source):
        space, task = config.open_space(), open_task(config.task)
        config = config.model_copy(update={"task": task.config})
        _check_algorithm(config.search.algorithm)
        check_gpus(config)
        check_fits(space, task.shape)
        check_sizes(space, task.shape, config.workload, config.limits)
    return Prepared(config, source, space, task)


def submit(prepared: Prepared, ledger: Ledger, runs: Path, priority: int = 0, mark: str | None = None) -> str:
    """Have a job wait in the queue for who runs it; its device is measured then. Returns its id.

    Args:
        mark: ends the id; a random one where none is given. A job of that id that is there is the same job.

    Raises:
        InputError: what the job goes on from is not there or is of another kind.
    """
    with named(prepared.source):
        open_warm_start(ledger, prepared.config, prepared.space, prepared.task)
    job_id = new_id(prepared, mark)
    if mark is not None and (ledger.jobs()["id"] == job_id).any():
        return job_id
    return create(prepared, ledger, job_id, (runs / job_id).resolve(), priority).id


def new_id(prepared: Prepared, mark: str | None = None) -> str:
    """An id for a job: its name, and what tells it from others of that name."""
    return f"{prepared.config.name}-{mark or secrets.token_hex(3)}"


def create(prepared: Prepared, ledger: Ledger, job_id: str, run_dir: Path, priority: int | None = None) -> Job:
    """Write a new job into the ledger."""
    config, space, task = prepared.config, prepared.space, prepared.task
    return ledger.create_job(
        job_id=job_id,
        name=config.name,
        config=config.model_dump(mode="json"),
        space=space.to_json(),
        run_dir=str(run_dir),
        objectives=config.objectives,
        priority=priority,
        facts={"space_count": str(space.count()), "data_revision": task.revision, **task.baselines()},
    )


@contextmanager
def named(source: str) -> Iterator[None]:
    """Let what is wrong with the input say which file it came from."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _check_algorithm(name: str) -> None:
    """Refuse a search algorithm that there is not, before anything starts."""
    try:
        algorithm_factory(name)
    except InputError as error:
        raise InputError(f"search.{error}") from None
