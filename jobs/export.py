"""Export of a job's architecture: weights out of the run folder, a folder that stands alone, a row in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from torch import nn

from ..db import Evaluation, Job, Ledger
from ..errors import InputError
from ..evaluators.tasks import LanguageModelConfig, TaskConfig
from ..evaluators.tasks.tokens import read_tokenizer
from ..evaluators.training import load_supernet
from ..latency_models import measure_model
from ..search_space import Architecture, SearchSpace
from ..supernet import Shape, build_model
from ..supernet.checkpoint import load_tensors
from ..supernet.export import Exported, export_pytorch
from .config import parse_job
from .model_card import model_card, words_for

FORMATS = ("pytorch",)
Weights = Literal["best", "inherited", "finetuned"]


def export_architecture(
    ledger: Ledger, job: Job, digest: str, export_format: str, out: Path, weights: Weights = "best"
) -> Exported:
    """Write an architecture of a job as a standalone model and record the export.

    Args:
        digest: the architecture, or an unambiguous beginning of it.
        weights: fine-tuned where the job has them ("best"), or one kind by name.

    Raises:
        InputError: no such architecture, format, weights or tokenizer, or the folder exists.
    """
    if export_format not in FORMATS:
        raise InputError(f"--format: one of {', '.join(FORMATS)}; got {export_format!r}")
    evaluation = ledger.evaluation(job.id, digest, None if weights == "best" else weights)
    config = parse_job(job.config, job.id)
    architecture = Architecture.from_json(evaluation.architecture)
    shape = config.task.shape
    model = _model(ledger, job, evaluation, architecture, shape)
    measured = measure_model(architecture, shape, config.workload, config.device.runtime)
    exported = export_pytorch(
        model,
        architecture,
        shape,
        out,
        title=f"{words_for(config.task).noun} of {evaluation.param_count:,} parameters.",
        card=lambda difference: model_card(job, config, evaluation, measured, difference),
        tokenizer=_tokenizer(config.task),
        classes=getattr(config.task, "classes", None) or (),
    )
    ledger.add_export(
        job.id,
        evaluation.digest,
        export_format,
        str(exported.folder.resolve()),
        evaluation.fidelity,
        exported.max_relative_difference,
        measured.latency_ms,
    )
    return exported


def _tokenizer(task: TaskConfig) -> Path | None:
    """The task's tokenizer file, where it has one."""
    if not isinstance(task, LanguageModelConfig) or task.tokenizer is None:
        return None
    read_tokenizer(task.tokenizer)
    return Path(task.tokenizer)


def _model(ledger: Ledger, job: Job, evaluation: Evaluation, architecture: Architecture, shape: Shape) -> nn.Module:
    if evaluation.fidelity == "finetuned":
        assert evaluation.weights_path is not None, "a fine-tuned evaluation names its weights"
        model = build_model(architecture, shape)
        model.load_state_dict(load_tensors(Path(evaluation.weights_path)))
        return model
    checkpoints = ledger.checkpoints(job.id).query("kind == 'supernet'")
    if not len(checkpoints):
        raise InputError(f"{job.id}: a job whose supernet is trained; got one at stage {job.stage!r}")
    space = SearchSpace.parse(job.space, job.id)
    return load_supernet(Path(checkpoints.iloc[-1]["path"]), space, shape).extract(architecture)
