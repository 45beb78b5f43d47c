"""The training step that is traced and timed: one update of a model that is trained alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from torch import nn

from ...supernet import Shape
from ...supernet.lone import updates
from ...supernet.optimizer import TrainerOptions
from ..workload import Workload
from .examples import example_inputs, example_targets

# The rate is so low that weights stay what they are however often a step is timed.
TRAINING = TrainerOptions(steps=1_000_000, learning_rate=1e-9, warmup_steps=0)


def training_steps(model: nn.Module, shape: Shape, workload: Workload) -> Iterator[float]:
    """Forward, loss, backward, clipping and AdamW, once per `next`; the optimiser's state is made in the first."""
    batch = example_inputs(shape, workload), example_targets(shape, workload)
    return updates(model, TRAINING, repeat(batch))
