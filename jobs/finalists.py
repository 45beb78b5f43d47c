"""The last stage: front members spread over the front are measured, fine-tuned and recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..db import Evaluation, Ledger
from ..evaluators.finalists import Finalist, FinalistPlan, fine_tune
from ..latency_models import Measured, measure_model
from ..search_space import Architecture
from ..supernet import Supernet
from ..supernet.optimizer import TrainerOptions
from .config import JobConfig
from .reporter import Reporter

WARMUP_SHARE = 10


def finalists_stage(
    config: JobConfig,
    ledger: Ledger,
    job_id: str,
    supernet: Supernet,
    reporter: Reporter,
    at_hand: bool,
    worker: str | None = None,
) -> None:
    """Measure and fine-tune the finalists that the ledger does not hold yet.

    Latency does not depend on the weights, so it is measured first, while nothing else runs; where the device is not
    `at_hand` it is not measured. A `worker` that has lost its claim of the job writes nothing.
    """
    chosen = choose_finalists(ledger, job_id, config.finalists.count)
    done = ledger.recorded(job_id, "finetuned")
    left = [evaluation for evaluation in chosen if evaluation.digest not in done]
    reporter.stage("finetune", len(chosen))
    if not left:
        return
    architectures = {e.digest: Architecture.from_json(e.architecture) for e in left}
    measured = {
        digest: measure_model(architecture, supernet.shape, config.workload, config.device.runtime)
        for digest, architecture in architectures.items()
        if at_hand
    }

    def record(finalist: Finalist) -> None:
        inherited = next(evaluation for evaluation in left if evaluation.digest == finalist.digest)
        ledger.record(job_id, [_evaluation(inherited, finalist, measured.get(finalist.digest))], worker=worker)
        if finalist.weights_path is not None:
            ledger.add_checkpoint(job_id, "finalist", finalist.weights_path, finalist.steps, digest=finalist.digest)
        done[finalist.digest] = inherited
        ledger.set_progress(job_id, "finetune", len(done), len(chosen))
        reporter.progress(len(done), len(chosen), _told(inherited, finalist))

    fine_tune(_plan(config, ledger, job_id, supernet), supernet, list(architectures.values()), record)


def _told(inherited: Evaluation, finalist: Finalist) -> str:
    if finalist.val_loss is None:
        return f"{finalist.digest} failed: {finalist.reason}"
    return f"{inherited.val_loss:.3f} to {finalist.val_loss:.3f} nats"


def choose_finalists(ledger: Ledger, job_id: str, count: int) -> list[Evaluation]:
    """Front members at even distances along the front, both ends included."""
    front = list(ledger.front(job_id, architectures=False)["digest"])
    count = min(count, len(front))
    picked = [front[round(i * (len(front) - 1) / max(1, count - 1))] for i in range(count)]
    return [ledger.evaluation(job_id, digest, "inherited") for digest in dict.fromkeys(picked)]


def _plan(config: JobConfig, ledger: Ledger, job_id: str, supernet: Supernet) -> FinalistPlan:
    settings = config.finalists
    options = TrainerOptions(
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.steps // WARMUP_SHARE,
        weight_decay=config.training.weight_decay,
        balance_weight=config.training.balance_weight,
    )
    return FinalistPlan(
        task=config.task,
        space=supernet.space.to_json(),
        options=options,
        batch_size=settings.batch_size,
        workers=settings.workers,
        threads=settings.threads,
        seed=config.seed,
        run_dir=str(Path(ledger.job(job_id).run_dir)),
        distill_weight=settings.distill_weight,
    )


def _evaluation(inherited: Evaluation, finalist: Finalist, measured: Measured | None) -> Evaluation:
    return replace(
        inherited,
        fidelity="finetuned",
        state="complete" if finalist.reason is None else "failed",
        reason=finalist.reason,
        val_loss=finalist.val_loss,
        latency_measured_ms=measured.latency_ms if measured else None,
        worker=None,
        seconds=finalist.seconds,
        weights_path=finalist.weights_path,
    )
