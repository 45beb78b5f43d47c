"""Fine-tuning on a real Ray cluster: better than inherited, taught by the largest, and failures that stay alone."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import ray
import torch
from torch import nn

from frontier.evaluators.finalists import BATCH_SEED_OFFSET, REPORTS, Finalist, FinalistPlan, fine_tune
from frontier.evaluators.tasks import open_task
from frontier.search_space import Architecture
from frontier.supernet import LanguageModel, Supernet
from frontier.supernet.checkpoint import load_tensors
from frontier.supernet.lone import updates
from frontier.supernet.optimizer import TrainerOptions
from frontier.supernet.trainer import cross_entropy

from .small_task import SPACE, TASK, new_supernet, samples

# Workers cannot import this file, so its class travels whole.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

pytestmark = pytest.mark.usefixtures("cluster")
OPTIONS = TrainerOptions(steps=12, learning_rate=5e-3, warmup_steps=2)
SEED, BATCH_SIZE, DISTILL_WEIGHT = 3, 4, 0.5
RAISES, DIES, *CHOSEN = [*samples(3), SPACE.largest()]


class Poisoned(Supernet):
    """One of whose subnets cannot be extracted, and another kills the process."""

    def extract(self, architecture: Architecture) -> nn.Module:
        if architecture == RAISES:
            raise ArithmeticError("nothing to extract")
        if architecture == DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().extract(architecture)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finalists")


@pytest.fixture(scope="module")
def finalists(cluster: None, run_dir: Path) -> dict[str, Finalist]:
    found: list[Finalist] = []
    plan = FinalistPlan(TASK, SPACE.to_json(), OPTIONS, BATCH_SIZE, 2, 1, SEED, str(run_dir), DISTILL_WEIGHT, retries=1)
    fine_tune(plan, new_supernet(Poisoned), [RAISES, DIES, *CHOSEN], found.append)
    assert len(found) == 4
    return {finalist.digest: finalist for finalist in found}


def validation_loss(model: nn.Module) -> float:
    inputs_BT, targets_BT = open_task(TASK).validation_batch()
    with torch.inference_mode():
        return cross_entropy(model(inputs_BT), targets_BT).item()


def fine_tuned_here(architecture: Architecture, steps: int) -> tuple[float, float]:
    """Validation loss with inherited weights, and the best of those after every report."""
    supernet, task = new_supernet(), open_task(TASK)
    model = supernet.extract(architecture)
    losses = [validation_loss(model)]
    first = BATCH_SEED_OFFSET + SEED
    batches = (task.train_batch(BATCH_SIZE, first + step) for step in range(steps))
    taught = updates(model, OPTIONS, batches, lambda inputs: supernet(SPACE.largest(), inputs), DISTILL_WEIGHT)
    for step, _ in enumerate(taught, start=1):
        if step % (OPTIONS.steps // REPORTS) == 0:
            losses.append(validation_loss(model))
    return losses[0], min(losses)


@pytest.mark.parametrize("architecture", CHOSEN, ids=["sampled", "largest"])
def test_a_finalist_leaves_better_than_it_came(architecture: Architecture, finalists: dict[str, Finalist]) -> None:
    finalist = finalists[architecture.digest]
    inherited, best = fine_tuned_here(architecture, finalist.steps)
    assert finalist.reason is None
    assert finalist.val_loss == pytest.approx(best, rel=1e-4)
    assert best < inherited
    model = LanguageModel.build(architecture, open_task(TASK).shape)
    model.load_state_dict(load_tensors(Path(finalist.weights_path or "")))
    assert validation_loss(model) == pytest.approx(finalist.val_loss, rel=1e-5)


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [(RAISES, "ArithmeticError: nothing to extract"), (DIES, "its worker died")],
    ids=["raises", "dies"],
)
def test_a_finalist_that_fails_says_why(
    architecture: Architecture, reason: str, finalists: dict[str, Finalist]
) -> None:
    finalist = finalists[architecture.digest]
    assert finalist.reason == reason
    assert (finalist.val_loss, finalist.weights_path) == (None, None)
