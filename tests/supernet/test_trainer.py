"""Training of shared weights: the sandwich, the schedule, distillation that waits, state that resumes to the bit."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch

from frontier.errors import InputError
from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape, Supernet
from frontier.supernet.checkpoint import load_tensors, save_tensors
from frontier.supernet.trainer import SupernetTrainer, TrainerOptions, learning_rate
from frontier.supernet.training_rules import sandwich

SPACE = SearchSpace.load("tiny-lm")
SHAPE = ModelShape(vocab_size=17, context=8)
OPTIONS = TrainerOptions(steps=30, learning_rate=5e-3, warmup_steps=3)


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A text in which each token says which comes next."""
    start_B = torch.randint(0, 17, (4, 1), generator=torch.Generator().manual_seed(seed))
    tokens_BT = (start_B + 3 * torch.arange(9)) % 17
    return tokens_BT[:, :-1], tokens_BT[:, 1:]


def trained(steps: int, trainer: SupernetTrainer) -> SupernetTrainer:
    for _ in range(steps):
        step = trainer.step_index
        trainer.step(sandwich(SPACE, Random(step), 1), *batch(step))
    return trainer


def fresh(options: TrainerOptions = OPTIONS) -> SupernetTrainer:
    return SupernetTrainer(Supernet(SPACE, SHAPE), options)


def test_a_sandwich_is_largest_smallest_and_random() -> None:
    for seed in range(10):
        largest, smallest, *others = sandwich(SPACE, Random(seed), 3)
        assert (largest.width, largest.depth) == (max(SPACE.width), max(SPACE.depth))
        assert (smallest.width, smallest.depth) == (min(SPACE.width), min(SPACE.depth))
        assert len(others) == 3
        assert all(subnet in SPACE for subnet in (largest, smallest, *others))


def test_training_lowers_the_loss_of_every_subnet() -> None:
    trainer = fresh()
    subnets = sandwich(SPACE, Random(99), 2)
    before = trainer.step(subnets, *batch())
    after = trained(25, trainer).step(subnets, *batch())
    assert all(late < 0.7 * early for early, late in zip(before, after, strict=True)), (before, after)


def test_a_trainer_goes_on_to_the_bit_from_another_ones_state(tmp_path: Path) -> None:
    straight = trained(8, fresh())
    first = trained(5, fresh())
    save_tensors(first.state(), tmp_path / "state.safetensors")
    second = fresh()
    second.load_state(load_tensors(tmp_path / "state.safetensors"))
    trained(3, second)
    assert second.step_index == straight.step_index == 8
    for name, tensor in straight.supernet.shared.items():
        assert torch.equal(tensor, second.supernet.shared[name]), name


def test_the_teacher_is_not_heard_before_it_is_worth_it() -> None:
    deaf = trained(4, fresh())
    waiting = trained(4, fresh(TrainerOptions(30, 5e-3, 3, distill_weight=0.9, distill_below_nats=0.01)))
    listening = trained(4, fresh(TrainerOptions(30, 5e-3, 3, distill_weight=0.9, distill_below_nats=99.0)))
    name = "head.weight"
    assert torch.equal(deaf.supernet.shared[name], waiting.supernet.shared[name])
    assert not torch.equal(deaf.supernet.shared[name], listening.supernet.shared[name])


def test_workers_averages_are_used() -> None:
    def zero(gradients: list[torch.Tensor]) -> None:
        for gradient in gradients:
            gradient.zero_()

    trainer = fresh(TrainerOptions(30, 5e-3, 3, weight_decay=0.0))
    before = {name: tensor.detach().clone() for name, tensor in trainer.supernet.shared.items()}
    trainer.step([SPACE.largest()], *batch(), reduce_gradients=zero)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainer.supernet.shared.items())


def test_the_schedule_warms_up_and_falls_to_a_tenth() -> None:
    rates = [learning_rate(OPTIONS, step) for step in range(31)]
    assert rates[0] == pytest.approx(5e-3 / 3)
    assert max(rates) == rates[3] == pytest.approx(5e-3)
    assert rates[30] == pytest.approx(5e-4)
    assert rates[3:] == sorted(rates[3:], reverse=True)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"not tensors at all")
    with pytest.raises(InputError, match=r"weights.safetensors: a safetensors file that can be read"):
        load_tensors(path)
    save_tensors({"a": torch.ones(3)}, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"weights.safetensors"):
        load_tensors(path)


def test_saving_leaves_nothing_beside(tmp_path: Path) -> None:
    save_tensors({"a": torch.ones(3)}, tmp_path / "weights.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]
