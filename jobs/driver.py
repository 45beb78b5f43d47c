"""How a job begins and begins again: checked, its device measured, stored; or taken up from what the last run left."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..db import Job, Ledger
from ..errors import InputError
from ..evaluators.tasks import Task, open_task
from ..latency_models import DeviceProfile
from ..search_space import SearchSpace
from ..supernet.shapes import check_fits
from .algorithms import algorithm_factory
from .config import JobConfig, parse_job
from .costs import latencies
from .device import check_latency, check_sizes, open_predictor, profile_device
from .reporter import Reporter
from .resources import check_gpus
from .run_folder import held
from .stages import Run
from .table_devices import imported_profile
from .warm_start import open_warm_start

PROFILE_FILE = "device.json"


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
    with _named(source):
        space, task = config.open_space(), open_task(config.task)
        config = config.model_copy(update={"task": task.config})
        check_algorithm(config.search.algorithm)
        check_gpus(config)
        check_fits(space, task.shape)
        check_sizes(space, task.shape, config.workload, _limits(config))
    return Prepared(config, source, space, task)


def launch(
    prepared: Prepared,
    ledger: Ledger,
    runs: Path,
    reporter: Reporter,
    on_created: Callable[[str], None] = lambda job_id: None,
) -> str:
    """Run a new job to its end.

    The device is measured before the job is created: its profile belongs to the device, and what it says decides
    whether a limit on latency can be met.

    Args:
        on_created: gets the job's id as soon as it can be resumed.

    Returns:
        The job's id.

    Raises:
        InputError: no architecture can meet the limit on latency, or the device's name is taken by another machine;
            nothing of the job was stored.
    """
    config, space, task = prepared.config, prepared.space, prepared.task
    with _named(prepared.source):
        warm_start = open_warm_start(ledger, config, space, task)
        profile = imported_profile(ledger, config.device.name) or profile_device(
            ledger, config.device, space, task.shape, config.workloads, config.seed, reporter
        )
        predictor = open_predictor(ledger, profile, task.shape, reporter)
        check_latency(predictor, profile.name, space, latencies(config), _limits(config))
    job_id = f"{config.name}-{secrets.token_hex(3)}"
    run_dir = (runs / job_id).resolve()
    with held(run_dir):
        (run_dir / PROFILE_FILE).write_text(json.dumps(profile.to_json()))
        plain = config.model_dump(mode="json")
        ledger.create_job(
            job_id=job_id,
            name=config.name,
            config=plain,
            space=space.to_json(),
            run_dir=str(run_dir),
            objectives=config.objectives,
        )
        ledger.add_facts(
            job_id, {"space_count": str(space.count()), "data_revision": task.revision, **task.baselines()}
        )
        on_created(job_id)
        Run(config, ledger, ledger.job(job_id), task, space, profile, predictor, reporter, warm_start).stages()
    return job_id


def resume(ledger: Ledger, job: Job, reporter: Reporter) -> None:
    """Take a job up where it stopped. A job that is done stays as it is.

    Raises:
        InputError: another driver is running it, its run folder is gone, or its data has changed since.
    """
    if job.state == "done":
        reporter.note(f"{job.id} is done")
        return
    run_dir = Path(job.run_dir)
    if not (run_dir / PROFILE_FILE).is_file():
        raise InputError(f"{job.id}: its run folder with {PROFILE_FILE}; got {run_dir}")
    with held(run_dir):
        config = parse_job(job.config, job.id)
        task = open_task(config.task)
        if task.revision != job.facts["data_revision"]:
            raise InputError(
                f"{job.id}: task.data: the data the job began with ({job.facts['data_revision']}); got {task.revision}"
            )
        profile = DeviceProfile.from_json(json.loads((run_dir / PROFILE_FILE).read_text()))
        space = SearchSpace.parse(job.space, job.id)
        predictor = open_predictor(ledger, profile, task.shape, reporter)
        with _named(job.id):
            warm_start = open_warm_start(ledger, config, space, task)
        Run(config, ledger, job, task, space, profile, predictor, reporter, warm_start).stages()


def check_algorithm(name: str) -> None:
    """Refuse a search algorithm that there is not, before anything starts.

    Raises:
        InputError: with those that there are.
    """
    try:
        algorithm_factory(name)
    except InputError as error:
        raise InputError(f"search.{error}") from None


def _limits(config: JobConfig) -> dict[str, float]:
    return {name: limit.max for name, limit in config.constraints.items()}


@contextmanager
def _named(source: str) -> Iterator[None]:
    """Let what is wrong with the input say which file it came from."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
