"""Gradient steps on the shared weights: loss, distillation, schedule, optimiser, and their state as plain tensors.

B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..search_space import Architecture
from .supernet import Supernet

ADAM_BETAS = (0.9, 0.98)
TEACHER_MEMORY = 0.95


@dataclass(frozen=True)
class TrainerOptions:
    """How the shared weights are optimised.

    `distill_weight` is the share of the largest subnet's predictions in the other subnets' loss, used only once the
    running loss of the largest is below `distill_below_nats`: an untrained teacher holds its pupils at the level of
    letter frequencies.
    """

    steps: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    distill_weight: float = 0.0
    distill_below_nats: float = 0.0


class SupernetTrainer:
    """AdamW over the shared tensors, one `step` per batch, a linear warm-up and a cosine down to a tenth."""

    def __init__(self, supernet: Supernet, options: TrainerOptions) -> None:
        self.supernet = supernet
        self.options = options
        self.step_index = 0
        self.teacher_nats = math.inf
        self.optimizer = torch.optim.AdamW(
            parameter_groups(supernet.shared, options.weight_decay), lr=options.learning_rate, betas=ADAM_BETAS
        )

    def step(
        self,
        subnets: Sequence[Architecture],
        inputs_BT: Tensor,
        targets_BT: Tensor,
        reduce_gradients: Callable[[list[Tensor]], None] = lambda gradients: None,
    ) -> list[float]:
        """One update from the mean loss of `subnets`, the first of which teaches the others.

        Args:
            reduce_gradients: averages the gradients in place over data-parallel workers.

        Returns:
            The hard-label loss of each subnet on this worker's batch, in nats per token.
        """
        weight = self._distill_weight()
        losses: list[float] = []
        teacher_BTV: Tensor | None = None
        for architecture in subnets:
            loss_of = mixed_loss(targets_BT, teacher_BTV, weight)
            logits_BTV, loss = self.supernet.backward(architecture, inputs_BT, loss_of)
            hard = loss if teacher_BTV is None or not weight else cross_entropy(logits_BTV, targets_BT)
            losses.append(hard.item())
            if teacher_BTV is None:
                teacher_BTV = logits_BTV.softmax(dim=-1)
        self._update(len(subnets), reduce_gradients)
        known = losses[0] if math.isinf(self.teacher_nats) else self.teacher_nats
        self.teacher_nats = TEACHER_MEMORY * known + (1 - TEACHER_MEMORY) * losses[0]
        return losses

    def state(self) -> dict[str, Tensor]:
        """Everything a later trainer needs to go on as if nothing had happened, as plain tensors."""
        tensors = {f"shared.{name}": tensor.detach() for name, tensor in self.supernet.shared.items()}
        for name, tensor in self.supernet.shared.items():
            for key, value in self.optimizer.state.get(tensor, {}).items():
                tensors[f"optimizer.{key}.{name}"] = value
        tensors["step_index"] = torch.tensor(self.step_index)
        tensors["teacher_nats"] = torch.tensor(self.teacher_nats, dtype=torch.float64)
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up the state that another trainer of the same supernet left."""
        load_shared(self.supernet, tensors)
        for name, tensor in self.supernet.shared.items():
            keys = ("step", "exp_avg", "exp_avg_sq")
            if f"optimizer.step.{name}" in tensors:
                self.optimizer.state[tensor] = {key: tensors[f"optimizer.{key}.{name}"].clone() for key in keys}
        self.step_index = int(tensors["step_index"])
        self.teacher_nats = float(tensors["teacher_nats"])

    def _distill_weight(self) -> float:
        return self.options.distill_weight if self.teacher_nats < self.options.distill_below_nats else 0.0

    def _update(self, subnets: int, reduce_gradients: Callable[[list[Tensor]], None]) -> None:
        touched = [tensor for tensor in self.supernet.shared.values() if tensor.grad is not None]
        gradients = [tensor.grad for tensor in touched if tensor.grad is not None]
        torch._foreach_div_(gradients, float(subnets))
        reduce_gradients(gradients)
        torch.nn.utils.clip_grad_norm_(touched, self.options.clip_norm)
        rate = learning_rate(self.options, self.step_index)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step_index += 1


def learning_rate(options: TrainerOptions, step: int) -> float:
    """Linear warm-up, then a cosine from `learning_rate` down to a tenth of it at the last step."""
    if step < options.warmup_steps:
        return options.learning_rate * (step + 1) / options.warmup_steps
    progress = (step - options.warmup_steps) / max(1, options.steps - options.warmup_steps)
    return options.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, progress))))


def parameter_groups(parameters: Mapping[str, Tensor], weight_decay: float) -> list[dict]:
    """Matrices decay; norms, embeddings and short filters do not."""
    decays = [t for name, t in parameters.items() if name.endswith(".weight") and t.ndim == 2 and "embed" not in name]
    chosen = {id(tensor) for tensor in decays}
    others = [tensor for tensor in parameters.values() if id(tensor) not in chosen]
    return [{"params": decays, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def load_shared(supernet: Supernet, tensors: Mapping[str, Tensor]) -> None:
    """Copy shared weights, as `SupernetTrainer.state` names them, into a supernet of the same space."""
    with torch.no_grad():
        for name, tensor in supernet.shared.items():
            tensor.copy_(tensors[f"shared.{name}"])


def cross_entropy(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    """Mean loss in nats per token."""
    return F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten())


def mixed_loss(targets_BT: Tensor, teacher_BTV: Tensor | None, weight: float) -> Callable[[Tensor], Tensor]:
    """A loss of logits: hard labels, with a share of `weight` for the teacher's probabilities where there are any."""
    if teacher_BTV is None or not weight:
        return lambda logits_BTV: cross_entropy(logits_BTV, targets_BT)
    return lambda logits_BTV: (
        (1 - weight) * cross_entropy(logits_BTV, targets_BT) + weight * soft_cross_entropy(logits_BTV, teacher_BTV)
    )


def soft_cross_entropy(logits_BTV: Tensor, teacher_BTV: Tensor) -> Tensor:
    """Mean loss against a teacher's probabilities, in nats per token."""
    return F.cross_entropy(logits_BTV.flatten(0, 1), teacher_BTV.flatten(0, 1))
