"""The stages of a job, each going on from what the last run left: train, search, fine-tune, validate."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ray.train import TrainingFailedError

from ..db import CurvePoint, Job, Ledger
from ..evaluators.cluster import ray_cluster
from ..evaluators.scoring import ScoringPool
from ..evaluators.tasks import Task
from ..evaluators.training import (
    WEIGHTS_FILE,
    TrainingPlan,
    TrainingReport,
    batch_seed,
    load_supernet,
    train_supernet,
)
from ..latency_models import DeviceProfile, Predictor
from ..search_space import SearchSpace
from ..supernet import Supernet
from ..supernet.checkpoint import load_tensors, save_tensors
from ..supernet.expert_load import ExpertLoad
from ..supernet.optimizer import TrainerOptions
from ..supernet.trainer import Batch
from .agreement import finalists_agree
from .algorithms import Quality
from .config import JobConfig
from .device import validate_device
from .finalists import finalists_stage
from .reporter import Reporter
from .search import Search
from .table_devices import is_imported
from .warm_start import WarmStart

# Into so many the validation examples are divided where hopeless architectures are given up.
PARTS = 4
FIGURES = ("mape", "median_ape", "within_10", "kendall_tau", "floor_mape")


@dataclass(frozen=True)
class Run:
    """One driver's run of a job, with everything the stages need. `worker` has claimed it, if anybody has."""

    config: JobConfig
    ledger: Ledger
    job: Job
    task: Task
    space: SearchSpace
    profile: DeviceProfile
    predictor: Predictor
    reporter: Reporter
    warm_start: WarmStart | None = None
    worker: str | None = None

    def stages(self) -> None:
        """Run them all; the job's state is done then."""
        with ray_cluster(self.config.cluster.cpus, self.config.cluster.address):
            supernet = load_supernet(self._train(), self.space, self.task.shape)
            search = self._search(supernet)
            self._enter("finetune", "from inherited weights")
            at_hand = not is_imported(self.profile.hardware)
            finalists_stage(self.config, self.ledger, self.job.id, supernet, self.reporter, at_hand, self.worker)
        self._compare_finalists()
        self._validate()
        self._finish(search)

    def _train(self) -> Path:
        """The supernet's weights: those of a finished training, or of one that is run now."""
        finished = self.ledger.checkpoints(self.job.id).query("kind == 'supernet'")
        if len(finished):
            return Path(finished.iloc[-1]["path"])
        settings = self.config.training
        if not settings.steps:
            return self._take_over()
        self._enter("train", f"{settings.steps} steps by the rule {settings.rule}")
        self.reporter.stage("train", settings.steps)
        started = time.monotonic()
        weights = self._train_through_failures()
        self.ledger.add_checkpoint(self.job.id, "supernet", str(weights), settings.steps)
        seconds = round(time.monotonic() - started, 1)
        self.ledger.add_facts(self.job.id, {"supernet_steps": settings.steps, "supernet_seconds": seconds})
        return weights

    def _train_through_failures(self) -> Path:
        """Train, and train on from the last checkpoint whenever workers failed but got further than the time before."""
        initial = str(self.warm_start.weights) if self.warm_start else None
        plan = training_plan(self.config, self.space, self.job.run_dir, initial)
        while True:
            reached = self._step_reached()
            try:
                return train_supernet(plan, self._on_training)
            except TrainingFailedError as error:
                if self._step_reached() <= reached:
                    raise
                told = f"workers were lost, on from step {self._step_reached()}: {' '.join(str(error).split())[:200]}"
                self.ledger.add_event(self.job.id, "train", "retry", told)

    def _step_reached(self) -> int:
        curve = self.ledger.curve(self.job.id)
        return int(curve["step"].max()) if len(curve) else 0

    def _take_over(self) -> Path:
        """The weights of the job that this one goes on from, as they are."""
        assert self.warm_start is not None, "without steps there is a warm start"
        weights = Path(self.job.run_dir) / WEIGHTS_FILE
        save_tensors(load_tensors(self.warm_start.weights), weights)
        self.ledger.add_checkpoint(self.job.id, "supernet", str(weights), self.warm_start.steps)
        self._enter("train", f"the supernet of {self.warm_start.job.id}, {self.warm_start.steps} steps")
        return weights

    def _on_training(self, report: TrainingReport) -> None:
        steps = self.config.training.steps
        losses = {"smallest": report.smallest_nats, "largest": report.largest_nats}
        points = [CurvePoint(report.step, subnet, nats, report.seconds) for subnet, nats in losses.items()]
        self.ledger.add_curve(self.job.id, points)
        self.ledger.set_progress(self.job.id, "train", report.step, steps)
        told = ", ".join(f"{subnet} {nats:.3f}" for subnet, nats in losses.items())
        text = f"{told} nats"
        if report.expert_load:
            self.ledger.add_facts(self.job.id, {"expert_load": {"step": report.step, **asdict(report.expert_load)}})
            text += f", {load_text(report.expert_load)}"
        self.reporter.progress(report.step, steps, text)

    def _search(self, supernet: Supernet) -> Search:
        settings = self.config.search
        self._enter("search", f"{settings.evaluations} evaluations proposed by {settings.algorithm}")
        self.reporter.stage("search", settings.evaluations)
        known = self.warm_start.evaluations(self.ledger) if self.warm_start and not self.config.training.steps else ()
        spent = float(self.ledger.job(self.job.id).facts.get("search_seconds", 0.0))
        search = Search(self.config, self.space, self.predictor, self.ledger, self.job.id, known, spent, self.worker)
        recalibration = recalibration_batches(self.config, self.task)
        pool = ScoringPool(
            supernet,
            self.task.validation_batch(),
            settings.workers,
            settings.threads,
            recalibration,
            limit_seconds=settings.limit_seconds,
            parts=1 if settings.give_up_margin is None else PARTS,
            use_gpu=settings.use_gpu,
        )
        before, started = search.recorded_before, time.monotonic()
        try:
            search.run(pool, self.reporter)
        finally:
            pool.close()
        if search.scored > before:
            rate = round((search.scored - before) / (time.monotonic() - started), 2)
            self.ledger.add_facts(self.job.id, {"evaluations_per_second": rate})
        if search.ended:
            self.ledger.add_event(self.job.id, "search", "ended", search.ended)
            self.reporter.note(search.ended)
        self._tell_quality(search)
        return search

    def _tell_quality(self, search: Search) -> None:
        """How well the search's own predictor foresaw scores, where it has one."""
        quality = search.keep_quality()
        if quality is not None:
            self.ledger.add_facts(self.job.id, {"quality_predictor": asdict(quality)})
            self.reporter.note(quality_line(quality))

    def _compare_finalists(self) -> None:
        agreement = finalists_agree(self.ledger, self.job.id)
        if agreement.count:
            self.ledger.add_facts(self.job.id, {"finalists": asdict(agreement)})
            self.reporter.note(str(agreement))

    def _validate(self) -> None:
        """Predicted against measured latency, after Ray has gone, so that nothing else runs beside the measuring."""
        device = self.config.device
        if not device.validation_models or is_imported(self.profile.hardware):
            return
        self.reporter.stage("validate", device.validation_models)
        validation = validate_device(
            self.ledger,
            self.profile,
            self.space,
            self.task.shape,
            self.config.workload,
            device.runtime,
            self.config.seed,
            device.validation_models,
        )
        figures = {name: getattr(validation, name) for name in FIGURES}
        self.ledger.add_facts(self.job.id, {"validation": {**figures, "count": device.validation_models}})
        self.reporter.note(validation_line(figures, device.validation_models, device.name))

    def _finish(self, search: Search) -> None:
        front = self.ledger.front(self.job.id, architectures=False)
        if len(front):
            best = front.sort_values("val_loss").iloc[0]
            facts = {name: best[name] for name in ("digest", "val_loss", "latency_ms")}
            self.ledger.add_facts(self.job.id, {"best": facts})
        self.ledger.set_progress(self.job.id, "done", search.scored, search.scored)
        self.ledger.add_event(self.job.id, "done", "stage", f"front of {len(front)} architectures")
        self.ledger.set_state(self.job.id, "done", worker=self.worker)

    def _enter(self, stage: str, message: str) -> None:
        self.ledger.set_progress(self.job.id, stage, 0, 0)
        self.ledger.add_event(self.job.id, stage, "stage", message)


def training_plan(
    config: JobConfig, space: SearchSpace, run_dir: str, initial_weights: str | None = None
) -> TrainingPlan:
    """What the training workers are told of a job."""
    settings = config.training
    return TrainingPlan(
        task=config.task,
        space=space.to_json(),
        options=TrainerOptions(**settings.model_dump(include={field.name for field in fields(TrainerOptions)})),
        batch_size=settings.batch_size,
        rule=settings.rule,
        random_subnets=settings.random_subnets,
        workers=settings.workers if settings.fewest_workers is None else (settings.fewest_workers, settings.workers),
        threads=settings.threads,
        use_gpu=settings.use_gpu,
        seed=config.seed,
        run_dir=run_dir,
        report_every=settings.report_every,
        checkpoint_every=settings.checkpoint_every,
        initial_weights=initial_weights,
    )


def recalibration_batches(config: JobConfig, task: Task) -> list[Batch]:
    """Training batches that were drawn for no update of the supernet, the same ones for every subnet."""
    training = config.training
    first = batch_seed(config.seed, training.steps, step=training.steps)
    return [task.train_batch(training.batch_size, first + step) for step in range(config.search.recalibrate_steps)]


def load_text(load: ExpertLoad) -> str:
    """How tokens are spread over experts, in a few words."""
    return f"busiest expert {load.max_over_uniform:.1f} times its share, {load.dead_share:.0%} of experts unused"


def quality_line(quality: Quality) -> str:
    """How well scores were foreseen, in one sentence."""
    return (
        f"the search foresaw {quality.count} scores before they were known: Kendall tau {quality.kendall_tau:.2f}, "
        f"{quality.mean_absolute_error:.3f} off on average, {quality.coverage:.0%} within their 90 % intervals"
    )


def validation_line(figures: dict[str, float], count: int, device: str) -> str:
    """How far predictions are from measurements, in one sentence."""
    return (
        f"latency on {device}, {count} held-out architectures: MAPE {figures['mape']:.1%} "
        f"(measuring again differs by {figures['floor_mape']:.1%}), Kendall tau {figures['kendall_tau']:.3f}"
    )
