"""Training of shared weights: gradients, the schedule, distillation that waits, state that resumes to the bit."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch

from frontier.errors import InputError
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ModelShape, Supernet
from frontier.supernet.checkpoint import load_tensors, save_tensors
from frontier.supernet.optimizer import TrainerOptions, adamw, learning_rate
from frontier.supernet.trainer import Batch, SupernetTrainer, cross_entropy
from frontier.supernet.training_rules import RULES, Group, Plan, on_one_batch
from frontier.supernet.workers import Workers

SPACE = SearchSpace.load("tiny-lm")
SHAPE = ModelShape(vocab_size=17, context=8)
OPTIONS = TrainerOptions(steps=30, learning_rate=5e-3, warmup_steps=3)


def batch(seed: int = 0) -> Batch:
    """A text in which each token says which comes next."""
    start_B = torch.randint(0, 17, (4, 1), generator=torch.Generator().manual_seed(seed))
    tokens_BT = (start_B + 3 * torch.arange(9)) % 17
    return tokens_BT[:, :-1], tokens_BT[:, 1:]


def trained(steps: int, trainer: SupernetTrainer, rule: str = "sandwich") -> SupernetTrainer:
    for _ in range(steps):
        index = trainer.step_index
        trainer.follow(RULES[rule], 0, 1, lambda number, index=index: batch(1000 * number + index))
    return trainer


def fresh(options: TrainerOptions = OPTIONS) -> SupernetTrainer:
    return SupernetTrainer(Supernet(SPACE, SHAPE), options)


def subnets(count: int) -> tuple[Architecture, ...]:
    rng = Random(99)
    return tuple(SPACE.sample(rng) for _ in range(count))


def taken(plan: Plan, *data: Batch, options: TrainerOptions = OPTIONS) -> list[torch.Tensor]:
    """The gradients that a fresh trainer's step hands to its optimiser, before they are clipped."""
    found: list[torch.Tensor] = []
    collect = Workers(average=lambda tensors: found.extend(tensor.clone() for tensor in tensors))
    fresh(options).step(plan, data, collect)
    return found


def expected(weighed: list[tuple[float, Architecture, Batch]]) -> list[torch.Tensor]:
    """Gradients of a weighted sum of losses in one graph, by plain autograd."""
    supernet = fresh().supernet
    total = sum(
        weight * cross_entropy(supernet(subnet, inputs_BT), targets_BT)
        for weight, subnet, (inputs_BT, targets_BT) in weighed
    )
    assert isinstance(total, torch.Tensor)
    total.backward()
    return [tensor.grad for tensor in supernet.shared.values() if tensor.grad is not None]


def assert_close(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_step_takes_the_mean_over_its_subnets() -> None:
    chosen = subnets(3)
    assert_close(taken(on_one_batch(chosen), batch()), expected([(1 / 3, subnet, batch()) for subnet in chosen]))


def test_loss_weights_and_widths_weigh_the_subnets() -> None:
    chosen = (SPACE.largest(), SPACE.smallest(), *subnets(2))
    options = TrainerOptions(30, 5e-3, 3, loss_weights=(4.0, 1.0), width_power=2.0)
    weights = [4.0, *((subnet.width / 128) ** 2 for subnet in chosen[1:])]
    wanted = [(weight / sum(weights), subnet, batch()) for weight, subnet in zip(weights, chosen, strict=True)]
    assert_close(taken(on_one_batch(chosen), batch(), options=options), expected(wanted))


def test_a_split_batch_gives_every_example_to_one_subnet() -> None:
    chosen, (inputs_BT, targets_BT) = subnets(3), batch()
    parts = [
        (inputs_BT[[0, 3]], targets_BT[[0, 3]]),
        (inputs_BT[[1]], targets_BT[[1]]),
        (inputs_BT[[2]], targets_BT[[2]]),
    ]
    wanted = [(len(part[0]) / 4, subnet, part) for subnet, part in zip(chosen, parts, strict=True)]
    assert_close(taken(Plan((Group(chosen),)), batch()), expected(wanted))


def test_groups_weigh_alike_whatever_their_batches_and_numbers() -> None:
    chosen, (first, second) = subnets(4), (batch(0), batch(1))
    plan = Plan((Group(chosen[:1], batch=1), Group(chosen[1:2]), Group(chosen[2:], batch=1)))
    even, odd = (tuple(tokens[part::2] for tokens in second) for part in range(2))
    wanted = [
        (1 / 3, chosen[0], second),
        (1 / 3, chosen[1], first),
        (1 / 6, chosen[2], even),
        (1 / 6, chosen[3], odd),
    ]
    assert_close(taken(plan, first, second), expected(wanted))
    options = TrainerOptions(30, 5e-3, 3, loss_weights=(4.0, 1.0))
    weighed = [(4 / 6, *wanted[0][1:]), (1 / 6, *wanted[1][1:]), (1 / 12, *wanted[2][1:]), (1 / 12, *wanted[3][1:])]
    assert_close(taken(plan, first, second, options=options), expected(weighed))


def test_a_teacher_and_its_pupils_see_the_same_examples() -> None:
    with pytest.raises(ValueError, match="teaches only those that see all of its examples"):
        Plan((Group(subnets(1)), Group(subnets(2))), first_teaches=True)
    with pytest.raises(ValueError, match="teaches only those that see all of its examples"):
        Plan((Group(subnets(1)), Group(subnets(1), batch=1)), first_teaches=True)


def test_an_update_has_a_limit_of_batches() -> None:
    assert Plan((Group(subnets(1), batch=15),)).batches == 16
    with pytest.raises(ValueError, match="at most 16 batches; got 17"):
        Plan((Group(subnets(1), batch=16),))


def test_a_batch_too_small_to_split_is_refused() -> None:
    with pytest.raises(ValueError, match="at least as many examples as subnets that share it, 5; got 4"):
        fresh().step(Plan((Group(subnets(5)),)), [batch()])


def test_images_and_texts_share_the_objective() -> None:
    logits_BTV, targets_BT = torch.randn(2, 3, 5), torch.randint(5, (2, 3))
    one_by_one = cross_entropy(logits_BTV.reshape(6, 5), targets_BT.reshape(6))
    torch.testing.assert_close(cross_entropy(logits_BTV, targets_BT), one_by_one)


def test_matrices_learn_slower_the_more_inputs_they_have() -> None:
    parameters = {
        "a.weight": torch.ones(4, 64),
        "b_EFD": torch.ones(2, 4, 16),
        "norm.weight": torch.ones(4),
        "filter.weight": torch.ones(4, 1, 3),
        "embed.weight": torch.ones(9, 4),
    }
    even, scaled = (adamw(parameters, TrainerOptions(3, 1.0, 0, base_width=width)) for width in (0, 32))
    assert {group["rate_factor"] for group in even.param_groups} == {1.0}
    factors = {id(tensor): group["rate_factor"] for group in scaled.param_groups for tensor in group["params"]}
    assert [factors[id(tensor)] for tensor in parameters.values()] == [0.5, 2.0, 1.0, 1.0, 1.0]
    assert [group["weight_decay"] for group in scaled.param_groups] == [0.05, 0.05, 0.0]
    assert [len(group["params"]) for group in scaled.param_groups] == [1, 1, 3]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_lowers_the_loss_of_large_and_small(rule: str) -> None:
    trainer = fresh()
    ends = on_one_batch((SPACE.largest(), SPACE.smallest()))
    before = trainer.step(ends, [batch()])
    after = trained(28, trainer, rule).step(ends, [batch()])
    assert after[0] < 0.8 * before[0]
    assert after[1] < 0.95 * before[1]


@pytest.mark.parametrize("rule", RULES)
def test_a_trainer_goes_on_to_the_bit_from_another_ones_state(rule: str, tmp_path: Path) -> None:
    options = TrainerOptions(30, 5e-3, 3, distill_weight=0.5, distill_below_nats=99.0, distill_ramp=0.2)
    straight = trained(8, fresh(options), rule)
    first = trained(5, fresh(options), rule)
    save_tensors(first.state(), tmp_path / "state.safetensors")
    second = fresh(options)
    second.load_state(load_tensors(tmp_path / "state.safetensors"))
    trained(3, second, rule)
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


def test_the_teacher_is_heard_ever_more_after_a_warm_up() -> None:
    options = TrainerOptions(
        20, 5e-3, 3, distill_weight=0.8, distill_below_nats=99.0, distill_warmup=0.25, distill_ramp=0.2
    )
    trainer = fresh(options)
    heard = [trained(1, trainer).taught_steps for _ in range(12)]
    assert heard == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
    weights = []
    for taught in (0, 1, 2, 3, 9):
        trainer.taught_steps = taught
        weights.append(trainer._distill_weight())
    assert weights == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])


def test_a_rule_without_a_teacher_trains_on_hard_labels() -> None:
    listening = TrainerOptions(30, 5e-3, 3, distill_weight=0.9, distill_below_nats=99.0)
    one, other = trained(4, fresh(), "fair"), trained(4, fresh(listening), "fair")
    for name, tensor in one.supernet.shared.items():
        assert torch.equal(tensor, other.supernet.shared[name]), name


def test_a_step_reports_hard_losses_whatever_it_trains_on() -> None:
    options = TrainerOptions(30, 5e-3, 3, distill_weight=0.9, distill_below_nats=99.0, loss_weights=(5.0, 1.0, 2.0))
    trainer = trained(2, fresh(options))
    chosen = subnets(3)
    inputs_BT, targets_BT = batch()
    expected = [cross_entropy(trainer.supernet(subnet, inputs_BT), targets_BT).item() for subnet in chosen]
    assert trainer.step(on_one_batch(chosen, first_teaches=True), [batch()]) == pytest.approx(expected, rel=1e-5)


def test_workers_averages_are_used() -> None:
    def zero(gradients: list[torch.Tensor]) -> None:
        for gradient in gradients:
            gradient.zero_()

    trainer = fresh(TrainerOptions(30, 5e-3, 3, weight_decay=0.0))
    before = {name: tensor.detach().clone() for name, tensor in trainer.supernet.shared.items()}
    trainer.step(on_one_batch([SPACE.largest()]), [batch()], Workers(average=zero))
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
