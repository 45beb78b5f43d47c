"""A model trained alone, and how it compares with one that trains as the only subnet of a supernet."""

from __future__ import annotations

import torch

from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape, Supernet
from frontier.supernet.lone import train_alone, updates
from frontier.supernet.optimizer import TrainerOptions
from frontier.supernet.trainer import Batch, SupernetTrainer
from frontier.supernet.training_rules import on_one_batch

SPACE = SearchSpace.load("tiny-lm")
SHAPE = ModelShape(vocab_size=17, context=8)
OPTIONS = TrainerOptions(steps=12, learning_rate=5e-3, warmup_steps=3)


def batches(count: int) -> list[Batch]:
    tokens = [torch.randint(17, (4, 9), generator=torch.Generator().manual_seed(seed)) for seed in range(count)]
    return [(tokens_BT[:, :-1], tokens_BT[:, 1:]) for tokens_BT in tokens]


def test_the_largest_alone_takes_the_steps_it_takes_as_the_only_subnet() -> None:
    largest, data = SPACE.largest(), batches(6)
    supernet = Supernet(SPACE, SHAPE)
    model = supernet.extract(largest)
    alone = train_alone(model, OPTIONS, data)
    trainer = SupernetTrainer(supernet, OPTIONS)
    inside = [trainer.step(on_one_batch([largest]), [batch])[0] for batch in data]
    torch.testing.assert_close(torch.tensor(alone), torch.tensor(inside), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(model(data[0][0]), supernet(largest, data[0][0]), rtol=1e-3, atol=1e-4)


def test_a_model_alone_learns_its_batch() -> None:
    model = Supernet(SPACE, SHAPE).extract(SPACE.smallest())
    losses = train_alone(model, OPTIONS, batches(1) * 12)
    assert losses[-1] < 0.7 * losses[0]
    assert all(parameter.grad is None for parameter in model.parameters())


def test_whoever_iterates_sees_the_model_between_updates() -> None:
    model = Supernet(SPACE, SHAPE).extract(SPACE.smallest())
    seen = [model.head.weight.detach().clone() for _ in updates(model, OPTIONS, batches(3))]
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[2], model.head.weight)


def test_a_model_that_hears_its_teacher_alone_does_not_see_the_targets() -> None:
    supernet = Supernet(SPACE, SHAPE)
    data = batches(3)
    blind = [(inputs_BT, torch.zeros_like(targets_BT)) for inputs_BT, targets_BT in data]
    models = [supernet.extract(SPACE.smallest()) for _ in range(3)]
    for model, seen, weight in zip(models, (data, blind, blind), (1.0, 1.0, 0.9), strict=True):
        list(updates(model, OPTIONS, seen, lambda inputs: supernet(SPACE.largest(), inputs), weight))
    first, second, third = (model.head.weight for model in models)
    assert torch.equal(first, second)
    assert not torch.equal(second, third)


def test_a_pupil_comes_nearer_to_its_teacher() -> None:
    supernet = Supernet(SPACE, SHAPE)
    model, (inputs_BT, targets_BT) = supernet.extract(SPACE.smallest()), batches(1)[0]
    teacher = supernet.extract(SPACE.largest())
    train_alone(teacher, OPTIONS, batches(1) * 12)

    @torch.no_grad()
    def distance() -> torch.Tensor:
        return (model(inputs_BT).softmax(dim=-1) - teacher(inputs_BT).softmax(dim=-1)).abs().mean()

    before = distance()
    list(updates(model, OPTIONS, [(inputs_BT, targets_BT)] * 12, teacher, 1.0))
    assert distance() < 0.7 * before
