"""A job from its file to its finalists, stage by stage; each stage goes on from what the last run left."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..db import CurvePoint, Job, Ledger
from ..errors import InputError
from ..evaluators.cluster import ray_cluster
from ..evaluators.scoring import ScoringPool
from ..evaluators.tasks import LanguageModelTask, open_task
from ..evaluators.training import TrainingPlan, TrainingReport, load_supernet, train_supernet
from ..latency_models import DeviceProfile, Predictor, fit_predictor
from ..search_space import SearchSpace
from ..supernet.trainer import TrainerOptions
from .config import JobConfig, parse_job
from .device import check_latency, check_sizes, profile_device, validate_device
from .finalists import finalists_stage
from .reporter import Reporter
from .run_folder import held
from .search import Search

PROFILE_FILE = "device.json"


@dataclass(frozen=True)
class Prepared:
    """A job that was checked as far as that goes without measuring anything. `source` names it in messages."""

    config: JobConfig
    source: str
    space: SearchSpace
    task: LanguageModelTask


def prepare(config: JobConfig, source: str) -> Prepared:
    """Read what a job names and check it. Nothing is written.

    Raises:
        InputError: the space or the data is missing or wrong, or no architecture can meet a limit on its size.
    """
    with _named(source):
        space, task = config.open_space(), open_task(config.task)
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
        profile = profile_device(ledger, config.device, space, task.shape, config.workloads, config.seed, reporter)
        check_latency(fit_predictor(profile, task.shape), profile.name, space, config.workload, _limits(config))
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
        _run_stages(config, ledger, ledger.job(job_id), task, space, profile, reporter)
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
                f"{job.id}: task.data: the corpus the job began with ({job.facts['data_revision']}); "
                f"got {task.revision}"
            )
        profile = DeviceProfile.from_json(json.loads((run_dir / PROFILE_FILE).read_text()))
        space = SearchSpace.parse(job.space, job.id)
        _run_stages(config, ledger, job, task, space, profile, reporter)


def _run_stages(
    config: JobConfig,
    ledger: Ledger,
    job: Job,
    task: LanguageModelTask,
    space: SearchSpace,
    profile: DeviceProfile,
    reporter: Reporter,
) -> None:
    """Train, search, fine-tune; on every way out the job's state says how it ended."""
    ledger.set_state(job.id, "running")
    predictor = fit_predictor(profile, task.shape)
    try:
        with ray_cluster(config.cluster.cpus, config.cluster.address):
            weights = _train(config, ledger, job, space, reporter)
            supernet = load_supernet(weights, space, task.shape)
            search = _search(config, ledger, job, task, space, predictor, weights, reporter)
            _enter(ledger, job, "finetune", "from inherited weights")
            finalists_stage(config, ledger, job.id, supernet, reporter)
        _validate(config, ledger, job, task, space, profile, reporter)
        _finish(ledger, job, search)
    except KeyboardInterrupt:
        ledger.set_state(job.id, "interrupted")
        raise
    except Exception as error:
        ledger.set_state(job.id, "failed", error=f"{type(error).__name__}: {' '.join(str(error).split())[:1000]}")
        raise


def _train(config: JobConfig, ledger: Ledger, job: Job, space: SearchSpace, reporter: Reporter) -> Path:
    """The supernet's weights: those of a finished training, or of one that is run now."""
    finished = ledger.checkpoints(job.id).query("kind == 'supernet'")
    if len(finished):
        return Path(finished.iloc[-1]["path"])
    settings = config.training
    _enter(ledger, job, "train", f"{settings.steps} steps of {settings.random_subnets + 2} subnets")
    reporter.stage("train", settings.steps)
    started = time.monotonic()

    def on_report(report: TrainingReport) -> None:
        ledger.add_curve(
            job.id,
            [
                CurvePoint(report.step, "smallest", report.smallest_nats, report.seconds),
                CurvePoint(report.step, "largest", report.largest_nats, report.seconds),
            ],
        )
        ledger.set_progress(job.id, "train", report.step, settings.steps)
        losses = f"smallest {report.smallest_nats:.3f}, largest {report.largest_nats:.3f} nats"
        reporter.progress(report.step, settings.steps, losses)

    weights = train_supernet(_training_plan(config, space, job.run_dir), on_report)
    ledger.add_checkpoint(job.id, "supernet", str(weights), settings.steps)
    ledger.add_facts(
        job.id, {"supernet_steps": settings.steps, "supernet_seconds": round(time.monotonic() - started, 1)}
    )
    return weights


def _training_plan(config: JobConfig, space: SearchSpace, run_dir: str) -> TrainingPlan:
    settings = config.training
    return TrainingPlan(
        task=config.task,
        space=space.to_json(),
        options=TrainerOptions(
            steps=settings.steps,
            learning_rate=settings.learning_rate,
            warmup_steps=settings.warmup_steps,
            weight_decay=settings.weight_decay,
            distill_weight=settings.distill_weight,
            distill_below_nats=settings.distill_below_nats,
        ),
        batch_size=settings.batch_size,
        random_subnets=settings.random_subnets,
        workers=settings.workers,
        threads=settings.threads,
        use_gpu=settings.use_gpu,
        seed=config.seed,
        run_dir=run_dir,
        report_every=settings.report_every,
        checkpoint_every=settings.checkpoint_every,
    )


def _search(
    config: JobConfig,
    ledger: Ledger,
    job: Job,
    task: LanguageModelTask,
    space: SearchSpace,
    predictor: Predictor,
    weights: Path,
    reporter: Reporter,
) -> Search:
    settings = config.search
    _enter(ledger, job, "search", f"{settings.evaluations} evaluations proposed by {settings.sampler}")
    reporter.stage("search", settings.evaluations)
    search = Search(config, space, predictor, ledger, job.id)
    supernet = load_supernet(weights, space, task.shape)
    pool = ScoringPool(supernet, task.validation_batch(), settings.workers, settings.threads)
    before, started = len(ledger.recorded(job.id, "inherited")), time.monotonic()
    try:
        search.run(pool, reporter)
    finally:
        pool.close()
    scored = len(search.evaluations) - before
    if scored:
        rate = round(scored / (time.monotonic() - started), 2)
        ledger.add_facts(job.id, {"evaluations_per_second": rate, "infeasible": search.infeasible})
    if search.exhausted:
        note = f"nothing new was proposed after {len(search.evaluations)} evaluations"
        ledger.add_event(job.id, "search", "exhausted", note)
        reporter.note(note)
    return search


def _validate(
    config: JobConfig,
    ledger: Ledger,
    job: Job,
    task: LanguageModelTask,
    space: SearchSpace,
    profile: DeviceProfile,
    reporter: Reporter,
) -> None:
    """Predicted against measured latency, after Ray has gone, so that nothing else runs beside the measuring."""
    count = config.device.validation_models
    if not count:
        return
    reporter.stage("validate", count)
    validation = validate_device(
        ledger, profile, space, task.shape, config.workload, config.device.threads, config.seed, count
    )
    figures = {
        name: getattr(validation, name) for name in ("mape", "median_ape", "within_10", "kendall_tau", "floor_mape")
    }
    ledger.add_facts(job.id, {"validation": {**figures, "count": count}})
    reporter.note(validation_line(figures, count, config.device.name))


def validation_line(figures: dict[str, float], count: int, device: str) -> str:
    """How far predictions are from measurements, in one sentence."""
    return (
        f"latency on {device}, {count} held-out architectures: MAPE {figures['mape']:.1%} "
        f"(measuring again differs by {figures['floor_mape']:.1%}), Kendall tau {figures['kendall_tau']:.3f}"
    )


def _finish(ledger: Ledger, job: Job, search: Search) -> None:
    front = ledger.front(job.id)
    if len(front):
        best = front.sort_values("val_loss").iloc[0]
        facts = {"digest": best["digest"], "val_loss": best["val_loss"], "latency_ms": best["latency_ms"]}
        ledger.add_facts(job.id, {"best": facts})
    ledger.set_progress(job.id, "done", len(search.evaluations), len(search.evaluations))
    ledger.add_event(job.id, "done", "stage", f"front of {len(front)} architectures")
    ledger.set_state(job.id, "done")


def _enter(ledger: Ledger, job: Job, stage: str, message: str) -> None:
    ledger.set_progress(job.id, stage, 0, 0)
    ledger.add_event(job.id, stage, "stage", message)


def _limits(config: JobConfig) -> dict[str, float]:
    return {name: limit.max for name, limit in config.constraints.items()}


@contextmanager
def _named(source: str) -> Iterator[None]:
    """Let what is wrong with the input say which file it came from."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
