"""How a job begins and begins again: its device measured, its stages run; or taken up from what the last run left."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from ..db import Job, Ledger
from ..errors import InputError
from ..evaluators.tasks import Task, open_task
from ..latency_models import DeviceProfile, Predictor
from ..search_space import SearchSpace
from .config import JobConfig, parse_job
from .costs import latencies
from .device import check_latency, open_predictor, profile_device
from .log_file import Logged
from .prepared import Prepared, create, named, new_id
from .reporter import Reporter
from .run_folder import held
from .running import running
from .stages import Run
from .table_devices import imported_profile
from .warm_start import open_warm_start

PROFILE_FILE = "device.json"


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
    with named(prepared.source):
        warm_start = open_warm_start(ledger, config, space, task)
        profile, predictor = _measured(ledger, config, space, task, reporter)
    job_id = new_id(prepared)
    run_dir = (runs / job_id).resolve()
    with held(run_dir):
        _keep(profile, run_dir)
        create(prepared, ledger, job_id, run_dir)
        ledger.set_progress(job_id, "train", 0, 0)
        on_created(job_id)
        reporter = Logged(reporter, run_dir)
        with running(ledger, job_id):
            Run(config, ledger, ledger.job(job_id), task, space, profile, predictor, reporter, warm_start).stages()
    return job_id


def resume(ledger: Ledger, job: Job, reporter: Reporter) -> None:
    """Take a job up where it stopped, or begin one that waits. A job that is done stays as it is.

    Raises:
        InputError: another driver is running it, its run folder is gone, or its data has changed since.
    """
    if job.state == "done":
        reporter.note(f"{job.id} is done")
        return
    with held(_run_folder(job)):
        ledger.forget_stop(job.id)
        _take_up(ledger, job, reporter)


def carry_on(
    ledger: Ledger, job: Job, reporter: Reporter, worker: str, abandoned: Callable[[], bool], patience_s: float
) -> None:
    """Begin a job that was claimed from the queue, or take it up where it stopped.

    Args:
        worker: who has claimed it.
        abandoned: says whether the job is nobody's any more, and is to be interrupted.
        patience_s: how long to wait for the driver of a claim that was lost.

    Raises:
        InputError: as `resume`; or its device cannot be measured here, or no architecture can meet a limit on latency.
    """
    with held(_run_folder(job), patience_s):
        _take_up(ledger, job, reporter, worker, abandoned)


def _run_folder(job: Job) -> Path:
    """The job's folder: with the profile of its device, unless that is still to be measured."""
    run_dir = Path(job.run_dir)
    if job.stage != "profile" and not (run_dir / PROFILE_FILE).is_file():
        raise InputError(f"{job.id}: its run folder with {PROFILE_FILE}; got {run_dir}")
    return run_dir


def _take_up(
    ledger: Ledger,
    job: Job,
    reporter: Reporter,
    worker: str | None = None,
    abandoned: Callable[[], bool] = lambda: False,
) -> None:
    config = parse_job(job.config, job.id)
    task = open_task(config.task)
    if task.revision != job.facts["data_revision"]:
        raise InputError(
            f"{job.id}: task.data: the data the job began with ({job.facts['data_revision']}); got {task.revision}"
        )
    space = SearchSpace.parse(job.space, job.id)
    reporter = Logged(reporter, Path(job.run_dir))
    with running(ledger, job.id, worker, abandoned):
        with named(job.id):
            warm_start = open_warm_start(ledger, config, space, task)
            profile, predictor = _profile_of(ledger, job, config, space, task, reporter)
        Run(config, ledger, job, task, space, profile, predictor, reporter, warm_start, worker).stages()


def _profile_of(
    ledger: Ledger, job: Job, config: JobConfig, space: SearchSpace, task: Task, reporter: Reporter
) -> tuple[DeviceProfile, Predictor]:
    """The profile that the job began with, or for one that begins a new one; limits on latency are checked by it."""
    path = Path(job.run_dir) / PROFILE_FILE
    if path.is_file():
        profile = DeviceProfile.from_json(json.loads(path.read_text()))
        return profile, open_predictor(ledger, profile, task.shape, reporter)
    ledger.add_event(job.id, "profile", "stage", f"what {space.name} costs on {config.device.name}")
    profile, predictor = _measured(ledger, config, space, task, reporter)
    _keep(profile, path.parent)
    return profile, predictor


def _measured(
    ledger: Ledger, config: JobConfig, space: SearchSpace, task: Task, reporter: Reporter
) -> tuple[DeviceProfile, Predictor]:
    """The profile of a job's device, measured as far as the ledger lacks it, by which its limits can be met."""
    profile = imported_profile(ledger, config.device.name) or profile_device(
        ledger, config.device, space, task.shape, config.workloads, config.seed, reporter
    )
    predictor = open_predictor(ledger, profile, task.shape, reporter)
    check_latency(predictor, profile.name, space, latencies(config), config.limits)
    return profile, predictor


def _keep(profile: DeviceProfile, run_dir: Path) -> None:
    """Write the profile into the run folder, whole or not at all."""
    beside = run_dir / f".{PROFILE_FILE}"
    beside.write_text(json.dumps(profile.to_json()))
    os.replace(beside, run_dir / PROFILE_FILE)
