"""Training of one model by itself, with the same optimiser and schedule as the shared weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import nn

from .optimizer import TrainerOptions, adamw, update
from .routing import balance_loss, watch_routers
from .trainer import Batch, cross_entropy


def train_alone(model: nn.Module, options: TrainerOptions, batches: Iterable[Batch]) -> list[float]:
    """One update per batch; the loss before each, in nats per example."""
    return list(updates(model, options, batches))


def updates(model: nn.Module, options: TrainerOptions, batches: Iterable[Batch]) -> Iterator[float]:
    """Yields after every update, with the loss before it; whoever iterates may look at the model in between."""
    parameters = dict(model.named_parameters())
    optimizer = adamw(parameters, options)
    for step, (inputs, targets) in enumerate(batches):
        with watch_routers(model) as routings:
            loss = cross_entropy(model(inputs), targets)
        if options.balance_weight and routings:
            balance = torch.stack([balance_loss(routing) for routing in routings]).mean()
            (loss + options.balance_weight * balance).backward()
        else:
            loss.backward()
        update(optimizer, parameters.values(), options, step)
        yield loss.item()
