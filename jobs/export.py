"""Export of a job's architecture: weights out of the run folder, a folder that stands alone, a row in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from ..db import Evaluation, Job, Ledger
from ..errors import InputError
from ..evaluators.training import load_supernet
from ..latency_models import Measured, measure_model
from ..search_space import Architecture, SearchSpace
from ..supernet import LanguageModel, ModelShape
from ..supernet.checkpoint import load_tensors
from ..supernet.export import Exported, export_pytorch
from .config import JobConfig, parse_job

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
        InputError: no such architecture, format or weights, or the folder exists.
    """
    if export_format not in FORMATS:
        raise InputError(f"--format: one of {', '.join(FORMATS)}; got {export_format!r}")
    evaluation = ledger.evaluation(job.id, digest, None if weights == "best" else weights)
    config = parse_job(job.config, job.id)
    architecture = Architecture.from_json(evaluation.architecture)
    shape = config.task.shape
    model = _model(ledger, job, evaluation, architecture, shape)
    measured = measure_model(architecture, shape, config.workload, config.device.threads)
    exported = export_pytorch(
        model,
        architecture,
        shape,
        out,
        title=f"A byte-level language model of {evaluation.param_count:,} parameters.",
        card=lambda difference: model_card(job, config, evaluation, measured, difference, shape),
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


def model_card(
    job: Job, config: JobConfig, evaluation: Evaluation, measured: Measured, difference: float, shape: ModelShape
) -> str:
    """The README of an exported model: what it is, what it scored, where its numbers come from."""
    device = config.device
    trained = {
        "inherited": "inherited from the supernet, not trained further: fine-tune them before use",
        "finetuned": "inherited from the supernet and fine-tuned on the same corpus",
    }[evaluation.fidelity]
    unigram = f"a unigram model of the same text: {job.facts['unigram_nats']:.4f}"
    interval = f"{evaluation.latency_low_ms:.3f} to {evaluation.latency_high_ms:.3f}"
    work = f"{device.phase}, batch {device.batch}, {device.seq_len} tokens, {device.threads} thread(s)"
    return f"""\
---
library_name: pytorch
tags: [language-model, neural-architecture-search]
---

# {job.name}, architecture {evaluation.digest}

A byte-level language model of {evaluation.param_count:,} parameters, found by a Frontier search.

| | |
|---|---|
| weights | {trained} |
| validation loss | {evaluation.val_loss:.4f} nats per byte ({unigram}) |
| latency, measured at export | {measured.latency_ms:.3f} ms ({work}; torch {torch.__version__}) |
| latency, predicted | {evaluation.latency_ms:.3f} ms, {interval} |
| peak memory, predicted | {evaluation.peak_memory_bytes or 0:,} bytes |
| vocabulary, context | {shape.vocab_size} bytes, {shape.context} tokens |
| data | {config.task.data}, revision {job.facts["data_revision"]} |
| seed | {config.seed} |
| checked | reloaded in a fresh process: largest relative difference {difference:.3g} |

## Use

    python model.py --prompt "import os"

```python
from model import load
model = load()
```

## Repeat

    frontier export {job.id} {evaluation.digest} --format pytorch --weights {evaluation.fidelity} --out DIR

The weights carry the licence of the data they were trained on; the code in `model.py` is Apache-2.0.
"""


def _model(
    ledger: Ledger, job: Job, evaluation: Evaluation, architecture: Architecture, shape: ModelShape
) -> LanguageModel:
    if evaluation.fidelity == "finetuned":
        assert evaluation.weights_path is not None, "a fine-tuned evaluation names its weights"
        model = LanguageModel.build(architecture, shape)
        model.load_state_dict(load_tensors(Path(evaluation.weights_path)))
        return model
    checkpoints = ledger.checkpoints(job.id).query("kind == 'supernet'")
    if not len(checkpoints):
        raise InputError(f"{job.id}: a job whose supernet is trained; got one at stage {job.stage!r}")
    space = SearchSpace.parse(job.space, job.id)
    return load_supernet(Path(checkpoints.iloc[-1]["path"]), space, shape).extract(architecture)
