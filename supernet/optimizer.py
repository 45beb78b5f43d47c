"""How weights are optimised, shared or alone: the options, the learning rate, and one update of AdamW."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

ADAM_BETAS = (0.9, 0.98)


@dataclass(frozen=True)
class TrainerOptions:
    """How weights are optimised. What is said of subnets means nothing to a model that is trained alone.

    Attributes:
        base_width: with 0, every tensor has the same learning rate. Else that of a matrix is multiplied by
            base_width / its input width, as Adam wants it for matrices (maximal update parametrisation,
            arXiv 2203.03466).
        distill_weight: the greatest share of the teacher's predictions in the other subnets' loss. They are not heard
            in the first `distill_warmup` of the steps (a share), nor while the teacher's running loss is at or above
            `distill_below_nats`: an untrained teacher holds its pupils at the level of letter frequencies. From then
            on their share rises linearly over `distill_ramp` of the steps (a share).
        loss_weights: of a step's groups of subnets in the order of their plan, the last one standing for all that
            follow; empty weighs them alike. Only their ratios matter.
        width_power: a subnet's loss also weighs (its width / the largest width) to this power.
        balance_weight: of the balance losses of routers, averaged over a model's routers.
    """

    steps: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    base_width: int = 0
    distill_weight: float = 0.0
    distill_below_nats: float = 0.0
    distill_warmup: float = 0.0
    distill_ramp: float = 0.0
    loss_weights: tuple[float, ...] = ()
    width_power: float = 0.0
    balance_weight: float = 0.01


def learning_rate(options: TrainerOptions, step: int) -> float:
    """Linear warm-up, then a cosine from `learning_rate` down to a tenth of it at the last step."""
    if step < options.warmup_steps:
        return options.learning_rate * (step + 1) / options.warmup_steps
    progress = (step - options.warmup_steps) / max(1, options.steps - options.warmup_steps)
    return options.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, progress))))


def adamw(parameters: Mapping[str, Tensor], options: TrainerOptions) -> torch.optim.AdamW:
    """AdamW over named parameters. Matrices and stacks of expert matrices decay; norms, embeddings, filters do not.

    Every group carries `rate_factor`, by which `update` multiplies the learning rate.
    """
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, tensor in parameters.items():
        matrix = is_matrix(name, tensor)
        decay = options.weight_decay if matrix else 0.0
        factor = options.base_width / tensor.shape[-1] if matrix and options.base_width else 1.0
        groups.setdefault((decay, factor), []).append(tensor)
    return torch.optim.AdamW(
        [
            {"params": tensors, "weight_decay": decay, "rate_factor": factor}
            for (decay, factor), tensors in groups.items()
        ],
        lr=options.learning_rate,
        betas=ADAM_BETAS,
    )


def is_matrix(name: str, tensor: Tensor) -> bool:
    """Whether a parameter is a linear map or, as its axes say (`_E..`), one per expert; its inputs come last."""
    per_expert = re.search(r"_E[A-Z]{2}$", name) is not None
    return per_expert or (name.endswith(".weight") and tensor.ndim == 2 and "embed" not in name)


def update(optimizer: torch.optim.Optimizer, touched: Iterable[Tensor], options: TrainerOptions, step: int) -> None:
    """One update from the gradients of the `touched` tensors, clipped together; no gradient is left behind."""
    torch.nn.utils.clip_grad_norm_(touched, options.clip_norm)
    rate = learning_rate(options, step)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate_factor"]
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
