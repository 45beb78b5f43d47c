"""Gradient steps on the shared weights: loss, distillation, and their state as plain tensors.

Logits are (..., V) and targets (...): B T V for the tokens of a text, B V for images. Losses are means over examples,
be they tokens or images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor

from ..search_space import Architecture
from .optimizer import TrainerOptions, adamw, update
from .param_count import ParamCounter
from .supernet import Supernet
from .training_rules import Plan, Rule, Step
from .workers import ALONE, Workers

TEACHER_MEMORY = 0.95

Batch = tuple[Tensor, Tensor]


class SupernetTrainer:
    """AdamW over the shared tensors, one `step` per update, a linear warm-up and a cosine down to a tenth."""

    def __init__(self, supernet: Supernet, options: TrainerOptions) -> None:
        self.supernet = supernet
        self.options = options
        self.step_index = 0
        self.teacher_nats = math.inf
        self.taught_steps = 0
        self.optimizer = adamw(supernet.shared, options)

    def follow(
        self,
        rule: Rule,
        seed: int,
        random_subnets: int,
        batch_of: Callable[[int], Batch],
        workers: Workers = ALONE,
    ) -> list[float]:
        """Draw what a rule makes of the next step and take it: see `draw` and `step`.

        Args:
            batch_of: the step's batch of a number, from 0 on; called once for each that is needed.
        """
        first = batch_of(0)
        plan = self.draw(rule, seed, random_subnets, first, workers)
        return self.step(plan, [first, *map(batch_of, range(1, plan.batches))], workers)

    def draw(self, rule: Rule, seed: int, random_subnets: int, batch: Batch, workers: Workers = ALONE) -> Plan:
        """What a rule makes of this worker's next step: a function of seed, step and rank.

        It depends on the weights and the batch only where the rule says so.

        Args:
            batch: the first of the step's batches.
            workers: with whom; each draws random subnets of its own.
        """
        common = f"subnets:{seed}:{self.step_index}"
        step = Step(
            space=self.supernet.space,
            rng=Random(f"{common}:{workers.rank}" if workers.rank else common),
            index=self.step_index,
            total=self.options.steps,
            random_subnets=random_subnets,
            examples=len(batch[0]),
            param_count=self._param_count,
            loss_of=lambda architecture: self._loss_of(architecture, batch),
            rank=workers.rank,
            workers=workers.count,
            common_rng=Random(common) if workers.rank else None,
        )
        return rule(step)

    def step(self, plan: Plan, batches: Sequence[Batch], workers: Workers = ALONE) -> list[float]:
        """One update from the weighted mean loss of a plan's subnets, averaged over the workers.

        Args:
            batches: as many as the plan says.
            workers: with whom; each has a plan and batches of its own.

        Returns:
            The hard-label loss of each subnet on what this worker gave it, in nats per example.

        Raises:
            ValueError: a batch is to be shared by more subnets than it has examples.
        """
        distill_weight = self._distill_weight() if plan.first_teaches else 0.0
        losses: list[float] = []
        teacher: Tensor | None = None
        for architecture, (inputs, targets), share in self._passes(plan, batches):
            loss_of = mixed_loss(targets, teacher, distill_weight, share)
            found = self.supernet.backward(architecture, inputs, loss_of, share * self.options.balance_weight)
            losses.append((found.loss / share if teacher is None else cross_entropy(found.logits, targets)).item())
            if distill_weight and teacher is None:
                teacher = found.logits.softmax(dim=-1)
            # The next subnet's activations would otherwise lie in memory beside these logits.
            del found
        self._update(workers)
        if plan.first_teaches:
            teacher_nats = workers.mean(losses[0])
            known = teacher_nats if math.isinf(self.teacher_nats) else self.teacher_nats
            self.teacher_nats = TEACHER_MEMORY * known + (1 - TEACHER_MEMORY) * teacher_nats
            self.taught_steps += distill_weight > 0
        return losses

    def state(self) -> dict[str, Tensor]:
        """Everything a later trainer needs to go on as if nothing had happened, as plain tensors."""
        tensors = {f"shared.{name}": tensor.detach() for name, tensor in self.supernet.shared.items()}
        for name, tensor in self.supernet.shared.items():
            for key, value in self.optimizer.state.get(tensor, {}).items():
                tensors[f"optimizer.{key}.{name}"] = value
        tensors["step_index"] = torch.tensor(self.step_index)
        tensors["taught_steps"] = torch.tensor(self.taught_steps)
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
        self.taught_steps = int(tensors["taught_steps"])
        self.teacher_nats = float(tensors["teacher_nats"])

    @cached_property
    def _param_count(self) -> ParamCounter:
        return ParamCounter(self.supernet.space, self.supernet.shape)

    def _loss_of(self, architecture: Architecture, batch: Batch) -> float:
        inputs, targets = batch
        with torch.no_grad():
            return cross_entropy(self.supernet(architecture, inputs), targets).item()

    def _passes(self, plan: Plan, batches: Sequence[Batch]) -> list[tuple[Architecture, Batch, float]]:
        """Every subnet, what it trains on, and what its mean loss weighs in the step; the weights add up to 1."""
        widest = max(self.supernet.space.width)
        group_weights = self.options.loss_weights or (1.0,)
        passes = []
        for position, group in enumerate(plan.groups):
            inputs, targets = batches[group.batch]
            count, examples = len(group.subnets), len(inputs)
            if examples < count:
                raise ValueError(f"batch: at least as many examples as subnets that share it, {count}; got {examples}")
            group_weight = group_weights[min(position, len(group_weights) - 1)]
            for part, architecture in enumerate(group.subnets):
                mine = inputs[part::count], targets[part::count]
                width_weight = (architecture.width / widest) ** self.options.width_power
                passes.append((architecture, mine, group_weight * width_weight * len(mine[0]) / examples))
        total = sum(weight for _, _, weight in passes)
        return [(architecture, part, weight / total) for architecture, part, weight in passes]

    def _distill_weight(self) -> float:
        options = self.options
        early = self.step_index < options.distill_warmup * options.steps
        if early or self.teacher_nats >= options.distill_below_nats:
            return 0.0
        ramp = max(1.0, options.distill_ramp * options.steps)
        return options.distill_weight * min(1.0, (self.taught_steps + 1) / ramp)

    def _update(self, workers: Workers) -> None:
        touched = workers.touched(list(self.supernet.shared.values()))
        workers.average([tensor.grad for tensor in touched if tensor.grad is not None])
        update(self.optimizer, touched, self.options, self.step_index)
        self.step_index += 1


def load_shared(supernet: Supernet, tensors: Mapping[str, Tensor]) -> None:
    """Copy shared weights, as `SupernetTrainer.state` names them, into a supernet of the same space."""
    with torch.no_grad():
        for name, tensor in supernet.shared.items():
            tensor.copy_(tensors[f"shared.{name}"])


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean loss in nats per example, of logits (..., V) and targets (...)."""
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten())


def mixed_loss(targets: Tensor, teacher: Tensor | None, weight: float, share: float) -> Callable[[Tensor], Tensor]:
    """A loss of logits, times `share`: hard labels, and `weight` of the teacher's probabilities where there are any."""
    if teacher is None:
        return lambda logits: share * cross_entropy(logits, targets)
    return lambda logits: (
        share * ((1 - weight) * cross_entropy(logits, targets) + weight * soft_cross_entropy(logits, teacher))
    )


def soft_cross_entropy(logits: Tensor, teacher: Tensor) -> Tensor:
    """Mean loss against a teacher's probabilities, in nats per example."""
    return F.cross_entropy(logits.flatten(0, -2), teacher.flatten(0, -2))
