"""Norm recalibration: what it changes, what it leaves, and that it helps a subnet whose norms are off."""

from __future__ import annotations

import pytest
import torch

from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape, Supernet
from frontier.supernet.optimizer import TrainerOptions
from frontier.supernet.recalibration import is_norm, recalibrated
from frontier.supernet.trainer import Batch, SupernetTrainer, cross_entropy
from frontier.supernet.training_rules import RULES

SPACE = SearchSpace.load("tiny-lm")
SHAPE = ModelShape(vocab_size=17, context=8)


def batch(seed: int) -> Batch:
    """A text in which each token says which comes next."""
    start_B = torch.randint(0, 17, (8, 1), generator=torch.Generator().manual_seed(seed))
    tokens_BT = (start_B + 3 * torch.arange(9)) % 17
    return tokens_BT[:, :-1], tokens_BT[:, 1:]


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    trainer = SupernetTrainer(Supernet(SPACE, SHAPE), TrainerOptions(steps=25, learning_rate=5e-3, warmup_steps=3))
    for step in range(25):
        trainer.step(trainer.draw(RULES["sandwich"], 0, 1, batch(step)), [batch(step)])
    return trainer.supernet


def test_only_norms_change_and_the_shared_weights_stay(supernet: Supernet) -> None:
    architecture = SPACE.smallest()
    before = {name: tensor.detach().clone() for name, tensor in supernet.shared.items()}
    plain = supernet.extract(architecture).state_dict()
    adapted = recalibrated(supernet, architecture, [batch(90), batch(91)]).state_dict()
    changed = {name for name, tensor in adapted.items() if not torch.equal(tensor, plain[name])}
    assert changed == {name for name in plain if is_norm(name)}
    assert len(changed) == 2 * architecture.depth + 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.shared.items())
    assert all(tensor.grad is None for tensor in supernet.shared.values())


def test_norms_that_are_off_are_brought_back(supernet: Supernet) -> None:
    spoiled = Supernet(
        SPACE,
        SHAPE,
        shared={name: tensor.detach() * (0.5 if is_norm(name) else 1.0) for name, tensor in supernet.shared.items()},
    )
    inputs_BT, targets_BT = batch(1234)
    for architecture in (SPACE.smallest(), SPACE.largest()):
        model = recalibrated(spoiled, architecture, [batch(100 + step) for step in range(12)])
        with torch.no_grad():
            before = cross_entropy(spoiled(architecture, inputs_BT), targets_BT)
            assert cross_entropy(model(inputs_BT), targets_BT) < 0.95 * before


def test_the_same_batches_give_the_same_norms(supernet: Supernet) -> None:
    one, other = (recalibrated(supernet, SPACE.smallest(), [batch(7), batch(8)]) for _ in range(2))
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
