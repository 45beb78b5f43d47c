"""What the benchmarks of training rules share: their options, and one model trained alone or one supernet by a rule."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from frontier.evaluators.tasks import ImageClassificationConfig, LanguageModelConfig, Task
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import Supernet, build_model
from frontier.supernet.lone import train_alone
from frontier.supernet.optimizer import TrainerOptions
from frontier.supernet.trainer import Batch, SupernetTrainer, cross_entropy
from frontier.supernet.training_rules import MOST_BATCHES, RULES

DEFAULTS = TrainerOptions(steps=1, learning_rate=0.005, warmup_steps=20, distill_below_nats=2.2)
NOT_SET_BY_NAME = ("steps", "loss_weights")


@dataclass(frozen=True)
class Setting:
    """Everything that a training depends on beside the rule or the architecture; plain data, so that it travels."""

    task: LanguageModelConfig | ImageClassificationConfig
    space: str
    options: TrainerOptions
    batch_size: int
    random_subnets: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "task": self.task.model_dump(mode="json")}

    def batch(self, task: Task, step: int, number: int = 0) -> Batch:
        """A batch of one update; the first ones are the same for every rule and every model alone."""
        return task.train_batch(self.batch_size, (self.seed * MOST_BATCHES + number) * 1_000_003 + step)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that both benchmarks have."""
    parser.add_argument("--space", default="tiny-lm", help="a preset or a YAML file")
    parser.add_argument("--task", default="text", choices=("text", "digits"))
    parser.add_argument("--context", type=int, default=128, help="tokens a model sees at once; for text")
    parser.add_argument("--validation", type=int, default=64, help="validation windows; for text")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=list(RULES), metavar="RULE")
    parser.add_argument("--random-subnets", type=int, default=1, help="beside the largest and the smallest")
    parser.add_argument("--learning-rate", type=float, default=DEFAULTS.learning_rate)
    parser.add_argument("--loss-weights", nargs="+", type=float, default=(), help="of a step's subnets, in order")
    parser.add_argument("--set", nargs="+", default=(), metavar="OPTION=VALUE", help="any other TrainerOptions field")
    parser.add_argument("--seed", type=int, default=0)


def setting_of(parsed: argparse.Namespace, steps: int) -> Setting:
    """The setting that parsed options describe, for trainings of so many steps."""
    names = {field.name for field in fields(TrainerOptions)}.difference(NOT_SET_BY_NAME)
    changes: dict[str, Any] = {"learning_rate": parsed.learning_rate}
    for item in parsed.set:
        name, _, value = item.partition("=")
        if name not in names:
            raise SystemExit(f"--set: one of {', '.join(sorted(names))}; got {name!r}")
        changes[name] = type(getattr(DEFAULTS, name))(float(value))
    task = (
        LanguageModelConfig(context=parsed.context, validation_windows=parsed.validation)
        if parsed.task == "text"
        else ImageClassificationConfig()
    )
    options = replace(DEFAULTS, steps=steps, loss_weights=tuple(parsed.loss_weights), **changes)
    return Setting(task, parsed.space, options, parsed.batch, parsed.random_subnets, parsed.seed)


def headline(setting: Setting) -> str:
    """What was trained on, and how long."""
    options = setting.options
    taught = f", distill_weight {options.distill_weight}" if options.distill_weight else ""
    return (
        f"training  {setting.space} on {setting.task.kind}, batch {setting.batch_size}, {options.steps} steps, "
        f"{setting.random_subnets} random subnet(s), learning rate {options.learning_rate}{taught}, seed {setting.seed}"
    )


def train_supernet(setting: Setting, rule: str, task: Task) -> Supernet:
    """A supernet of the setting's space, trained by a rule."""
    supernet = Supernet(SearchSpace.load(setting.space), task.shape, setting.seed)
    trainer = SupernetTrainer(supernet, setting.options)
    for step in range(setting.options.steps):
        trainer.follow(RULES[rule], setting.seed, setting.random_subnets, partial(setting.batch, task, step))
    return supernet


def train_one_alone(setting: Setting, architecture: Architecture, task: Task) -> nn.Module:
    """A freshly initialised model, trained by itself."""
    torch.manual_seed(setting.seed)
    model = build_model(architecture, task.shape)
    train_alone(model, setting.options, (setting.batch(task, step) for step in range(setting.options.steps)))
    return model


@torch.inference_mode()
def validation_nats(model: nn.Module, task: Task) -> float:
    """Loss on the task's validation batch, in nats per example."""
    inputs, targets = task.validation_batch()
    return cross_entropy(model(inputs), targets).item()
