"""Training of one model by itself, with the same optimiser and schedule as the shared weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from .optimizer import TrainerOptions, adamw, update
from .routing import balance_loss, watch_routers
from .trainer import Batch, cross_entropy, soft_cross_entropy

Teacher = Callable[[Tensor], Tensor]


def train_alone(model: nn.Module, options: TrainerOptions, batches: Iterable[Batch]) -> list[float]:
    """One update per batch; the loss before each, in nats per example."""
    return list(updates(model, options, batches))


def updates(
    model: nn.Module,
    options: TrainerOptions,
    batches: Iterable[Batch],
    teacher: Teacher | None = None,
    distill_weight: float = 0.0,
) -> Iterator[float]:
    """Yields after every update, with the hard-label loss before it; whoever iterates may look at the model in between.

    Args:
        teacher: gives logits of inputs. Its predictions on the same batch are `distill_weight` of what the model
            learns from.
    """
    parameters = dict(model.named_parameters())
    optimizer = adamw(parameters, options)
    for step, (inputs, targets) in enumerate(batches):
        soft_targets = None
        if teacher is not None and distill_weight:
            with torch.no_grad():
                soft_targets = teacher(inputs).softmax(dim=-1)
        with watch_routers(model) as routings:
            logits = model(inputs)
        loss = hard_loss = cross_entropy(logits, targets)
        if soft_targets is not None:
            loss = (1 - distill_weight) * hard_loss + distill_weight * soft_cross_entropy(logits, soft_targets)
        # They would otherwise lie in memory beside the gradients.
        del logits
        if options.balance_weight and routings:
            loss = loss + options.balance_weight * torch.stack([balance_loss(routing) for routing in routings]).mean()
        loss.backward()
        update(optimizer, parameters.values(), options, step)
        yield hard_loss.item()
