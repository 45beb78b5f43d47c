"""Small spaces of which every architecture's true score is known: a supernet is trained, then all of it is scored.

Building one takes minutes on one core; an interrupted build goes on where it was. A finished table is a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from latency_population import lawful
from numpy.typing import NDArray
from rule_training import DEFAULTS, Setting
from search_efficiency_objective import Objective

from frontier.evaluators.tasks import ImageClassificationConfig, LanguageModelConfig, Task, open_task
from frontier.jobs.algorithms import Costs, Problem
from frontier.latency_models import Workload
from frontier.search_space import SearchSpace
from frontier.search_space.population import Columns, Population
from frontier.supernet import Supernet
from frontier.supernet.checkpoint import load_tensors, save_tensors
from frontier.supernet.trainer import SupernetTrainer, cross_entropy
from frontier.supernet.training_rules import RULES

SCORED_AT_ONCE = 500
TEXT = LanguageModelConfig(context=64, validation_windows=24)


@dataclass(frozen=True)
class Small:
    """A part of a preset, what its models learn, and for how long the supernet is trained."""

    space: Mapping[str, Any]
    task: LanguageModelConfig | ImageClassificationConfig
    steps: int
    batch_size: int = 8


SMALL = {
    "text": Small(
        {
            "name": "text",
            "description": "A part of tiny-lm: attention or convolution.",
            "width": [32, 48, 64],
            "depth": [2, 3, 4],
            "token_mixers": [
                {"kind": "attention", "num_heads": [2, 4], "num_kv_heads": 2, "head_dim": 16},
                {"kind": "causal_conv", "channels": 64, "kernel_size": 7},
            ],
            "channel_mixers": [{"kind": "swiglu", "inner": [64, 128]}],
        },
        TEXT,
        steps=250,
    ),
    "images": Small(
        {
            "name": "images",
            "description": "A part of pyramid-vit.",
            "stages": [
                {"width": [16, 24], "depth": [1, 2]},
                {"width": [32, 48], "depth": [1, 2]},
                {"width": 64, "depth": 1},
            ],
            "token_mixers": [
                {"kind": "attention", "num_heads": 2, "num_kv_heads": 2, "head_dim": 16, "rotary": False},
                {"kind": "gated_conv", "channels": 32, "kernel_size": 3},
            ],
            "channel_mixers": [{"kind": "gelu_mlp", "inner": [64, 128]}],
        },
        ImageClassificationConfig(),
        steps=250,
        batch_size=16,
    ),
    "mixers": Small(
        {
            "name": "mixers",
            "description": "A part of everything-lm: four kinds of token mixers, two ways to join the residual stream.",
            "width": [32, 48, 64],
            "depth": [1, 2, 3],
            "token_mixers": [
                {"kind": "attention", "num_heads": 2, "num_kv_heads": 2, "head_dim": 32},
                {"kind": "gated_conv", "channels": 64, "kernel_size": 7},
                {"kind": "gated_linear", "num_heads": 2, "head_dim": 16},
                {"kind": "pooling", "window": 3},
            ],
            "channel_mixers": [{"kind": "swiglu", "inner": 64}, {"kind": "squared_relu", "inner": 128}],
            "residual": ["sequential", "parallel"],
        },
        TEXT,
        steps=250,
    ),
}


def open_table(name: str, folder: Path) -> Objective:
    """The objective of a small space; it is built where its file is missing."""
    small = SMALL[name]
    space = SearchSpace.parse(dict(small.space))
    path = folder / f"{name}-{_key(small)}.npz"
    if not path.is_file():
        _build(small, space, path)
    with np.load(path) as found:
        return _objective(name, space, Population(space, found["indices"]), found["val_loss"], found["latency_ms"])


def _objective(
    name: str, space: SearchSpace, every: Population, val_loss: NDArray[np.float64], latency_ms: NDArray[np.float64]
) -> Objective:
    radix = np.cumprod([1, *(count + 1 for count in Columns.of(space).option_counts)])[:-1]
    codes = (every.indices.astype(np.int64) + 1) @ radix
    order = np.argsort(codes)

    def rows(population: Population) -> NDArray[np.intp]:
        return order[np.searchsorted(codes[order], (population.indices.astype(np.int64) + 1) @ radix)]

    def costs(population: Population) -> Costs:
        known = latency_ms[rows(population)]
        return Costs(np.column_stack([np.full(len(known), np.nan), known]), np.zeros(len(known)))

    def score(population: Population) -> NDArray[np.float64]:
        chosen = rows(population)
        return np.column_stack([val_loss[chosen], latency_ms[chosen]])

    return Objective.of(name, Problem(space, ("val_loss", "latency_ms"), costs), score, score(every), len(every))


def _build(small: Small, space: SearchSpace, path: Path) -> None:
    torch.set_num_threads(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    task = open_task(small.task)
    every = Population.of(space, list(space.enumerate()))
    workload = Workload("prefill", 1, task.shape.most_tokens("prefill"))
    latency_ms = np.array(
        [one.latency_ms for one in lawful(every, task.shape, workload).predict_population(every, workload)]
    )
    supernet = _supernet(small, space, task, path.with_suffix(".safetensors"))
    begun = path.with_suffix(".begun.npy")
    inputs, targets = task.validation_batch()
    losses = np.load(begun).tolist() if begun.is_file() else []
    started, before = time.perf_counter(), len(losses)
    for row in range(before, len(every)):
        with torch.inference_mode():
            losses.append(cross_entropy(supernet(every.architecture(row), inputs), targets).item())
        if len(losses) % SCORED_AT_ONCE == 0:
            _replace(begun, lambda file: np.save(file, np.array(losses)))
            spent = time.perf_counter() - started
            print(f"{path.stem}: {len(losses)} of {len(every)} scored, {spent:.0f} s", file=sys.stderr, flush=True)
    found = {"indices": every.indices, "val_loss": np.array(losses), "latency_ms": latency_ms}
    _replace(path, lambda file: np.savez_compressed(file, **found))


def _supernet(small: Small, space: SearchSpace, task: Task, path: Path) -> Supernet:
    """Trained by the balanced rule, or read from where it was kept."""
    setting = Setting(small.task, "", replace(DEFAULTS, steps=small.steps), small.batch_size, 2, seed=0)
    if path.is_file():
        return Supernet(space, task.shape, shared=load_tensors(path))
    supernet = Supernet(space, task.shape, setting.seed)
    trainer = SupernetTrainer(supernet, setting.options)
    started = time.perf_counter()
    for step in range(small.steps):
        trainer.follow(RULES["balanced"], setting.seed, setting.random_subnets,
                       partial(setting.batch, task, step))  # fmt: skip
    print(f"{path.stem}: trained in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    save_tensors(supernet.shared, path)
    return supernet


def _key(small: Small) -> str:
    """What a table depends on, in short."""
    plain = [dict(small.space), small.task.model_dump(mode="json"), small.steps, small.batch_size]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def _replace(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file so that it is there whole or not at all."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        write(file)
    os.replace(new, path)
