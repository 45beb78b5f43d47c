"""The README of an exported model: what it is, what it scored, where its numbers come from."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..db import Evaluation, Job
from ..evaluators.tasks import LanguageModelConfig, TaskConfig
from ..latency_models import Measured
from .config import JobConfig

SHOWN_CLASSES = 10


@dataclass(frozen=True)
class Words:
    """How a card speaks of a task: what its models are, what the loss counts, what goes in, and how to ask."""

    noun: str
    tag: str
    example: str
    frequencies: str
    size: str
    arguments: str


def words_for(task: TaskConfig) -> Words:
    """The words for a job's task."""
    shape = task.shape
    if isinstance(task, LanguageModelConfig):
        symbols = f"{shape.vocab_size} {task.symbol}s"  # type: ignore[union-attr]
        return Words(
            noun=f"A {task.symbol}-level language model",
            tag="language-model",
            example=task.symbol,
            frequencies=f"the frequencies of the text's {task.symbol}s",
            size=f"| vocabulary, context | {symbols}, {task.context} {task.symbol}s |",
            arguments='--prompt "import os"',
        )
    classes = task.classes or ()
    more = f" and {len(classes) - SHOWN_CLASSES} more" if len(classes) > SHOWN_CLASSES else ""
    return Words(
        noun="An image classifier",
        tag="image-classification",
        example="image",
        frequencies="the frequencies of the classes",
        size=(
            f"| images | {task.channels} x {task.side} x {task.side}, values from 0 to 1 |\n"
            f"| classes | {len(classes)}: {', '.join(classes[:SHOWN_CLASSES])}{more} |"
        ),
        arguments="--image picture.png",
    )


def model_card(job: Job, config: JobConfig, evaluation: Evaluation, measured: Measured, difference: float) -> str:
    """The card's text. `difference` is the largest of the reloaded model's outputs, relative."""
    words, device = words_for(config.task), config.device
    trained = {
        "inherited": "inherited from the supernet, not trained further: fine-tune them before use",
        "finetuned": "inherited from the supernet and fine-tuned on the same data",
    }[evaluation.fidelity]
    prior = job.facts.get("prior_nats")
    beside = "" if prior is None else f" (always predicting {words.frequencies}: {prior:.4f})"
    interval = f"{evaluation.latency_low_ms:.3f} to {evaluation.latency_high_ms:.3f}"
    tokens = f", {device.seq_len} tokens" if isinstance(config.task, LanguageModelConfig) else ""
    work = f"{device.phase}, batch {device.batch}{tokens}, {device.threads} thread(s)"
    return f"""\
---
library_name: pytorch
tags: [{words.tag}, neural-architecture-search]
---

# {job.name}, architecture {evaluation.digest}

{words.noun} of {evaluation.param_count:,} parameters, found by a Frontier search.

| | |
|---|---|
| weights | {trained} |
| validation loss | {evaluation.val_loss:.4f} nats per {words.example}{beside} |
| latency, measured at export | {measured.latency_ms:.3f} ms ({work}; torch {torch.__version__}) |
| latency, predicted | {evaluation.latency_ms:.3f} ms, {interval} |
| peak memory, predicted | {evaluation.peak_memory_bytes or 0:,} bytes |
{words.size}
| data | {config.task.data}, revision {job.facts["data_revision"]} |
| seed | {config.seed} |
| checked | reloaded in a fresh process: largest relative difference {difference:.3g} |

## Use

    python model.py {words.arguments}

```python
from model import load
model = load()
```

## Repeat

    frontier export {job.id} {evaluation.digest} --format pytorch --weights {evaluation.fidelity} --out DIR

The weights carry the licence of the data they were trained on; the code in `model.py` is Apache-2.0.
"""
