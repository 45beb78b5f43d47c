"""A space and a task that a worker is done with in milliseconds."""

from __future__ import annotations

from random import Random

import torch

from frontier.evaluators.scoring import Score, ScoringPool
from frontier.evaluators.tasks import LanguageModelConfig, open_task
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import Supernet
from frontier.supernet.trainer import cross_entropy

SPACE = SearchSpace.parse(
    {
        "name": "worker-test",
        "width": [16, 24],
        "depth": [1, 2],
        "token_mixers": [{"kind": "causal_conv", "channels": [8, 16], "kernel_size": [2, 3]}],
        "channel_mixers": [{"kind": "swiglu", "inner": [8, 16]}, {"kind": "gelu_mlp", "inner": [8, 16]}],
    }
)
TASK = LanguageModelConfig(context=24, validation_windows=12)


def new_supernet(kind: type[Supernet] = Supernet) -> Supernet:
    return kind(SPACE, open_task(TASK).shape, seed=9)


def samples(count: int) -> list[Architecture]:
    """Architectures that differ from one another."""
    rng = Random(0)
    found: dict[Architecture, None] = {}
    while len(found) < count:
        found[SPACE.sample(rng)] = None
    return list(found)


def in_process(supernet: Supernet, architecture: Architecture) -> float:
    """The validation loss as one process finds it, in nats per byte."""
    inputs_BT, targets_BT = open_task(TASK).validation_batch()
    with torch.inference_mode():
        return cross_entropy(supernet(architecture, inputs_BT), targets_BT).item()


def scored(pool: ScoringPool) -> list[Score]:
    """Everything that is under way."""
    scores: list[Score] = []
    while pool.waiting:
        scores += pool.next()
    return scores
