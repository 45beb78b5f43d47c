"""Data-parallel workers without a cluster: threads that wait for each other, each with its own subnets and batches."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import torch
from torch import Tensor

from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape, Supernet
from frontier.supernet.checkpoint import load_tensors, save_tensors
from frontier.supernet.optimizer import TrainerOptions
from frontier.supernet.param_count import ParamCounter
from frontier.supernet.trainer import Batch, SupernetTrainer
from frontier.supernet.training_rules import RULES, Plan
from frontier.supernet.training_rules.strata import STRATA, stratum_of
from frontier.supernet.workers import Workers

SPACE = SearchSpace.load("tiny-lm")
SHAPE = ModelShape(vocab_size=17, context=8)
OPTIONS = TrainerOptions(30, 5e-3, 3, distill_weight=0.5, distill_below_nats=99.0, distill_ramp=0.2)
COUNT = 3
WITH_ENDS = ("sandwich", "progressive", "attentive")


def batch(seed: int) -> Batch:
    tokens_BT = torch.randint(17, (8, 9), generator=torch.Generator().manual_seed(seed))
    return tokens_BT[:, :-1], tokens_BT[:, 1:]


def plans(rule: str, step: int = 29, count: int = COUNT) -> list[Plan]:
    """What every worker draws."""
    trainer = SupernetTrainer(Supernet(SPACE, SHAPE), OPTIONS)
    trainer.step_index = step
    return [trainer.draw(RULES[rule], 0, 2, batch(rank), Workers(rank, count)) for rank in range(count)]


def averaging(count: int) -> Callable[[int], Callable[[list[Tensor]], None]]:
    """For each rank a function that averages tensors with those of the others, who call theirs meanwhile."""
    barrier = Barrier(count)
    given: list[list[Tensor]] = [[] for _ in range(count)]

    def of_rank(rank: int) -> Callable[[list[Tensor]], None]:
        def average(tensors: list[Tensor]) -> None:
            given[rank] = tensors
            barrier.wait(timeout=30)
            assert len({tuple(tensor.shape for tensor in theirs) for theirs in given}) == 1
            means = [torch.stack(together).mean(dim=0) for together in zip(*given, strict=True)]
            barrier.wait(timeout=30)
            for tensor, mean in zip(tensors, means, strict=True):
                tensor.copy_(mean)

        return average

    return of_rank


def trained(trainers: list[SupernetTrainer], rule: str, steps: int) -> list[SupernetTrainer]:
    """All of them, some steps further together."""
    count, of_rank = len(trainers), averaging(len(trainers))

    def run(rank: int) -> None:
        workers = Workers(rank, count, of_rank(rank))
        for step in range(trainers[rank].step_index, trainers[rank].step_index + steps):
            batches = [batch((step * 16 + number) * COUNT + rank) for number in range(16)]
            trainers[rank].follow(RULES[rule], 0, 1, batches.__getitem__, workers)

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(run, range(count)))
    return trainers


def fresh() -> list[SupernetTrainer]:
    return [SupernetTrainer(Supernet(SPACE, SHAPE), OPTIONS) for _ in range(COUNT)]


@pytest.mark.parametrize("rule", RULES)
def test_every_worker_draws_random_subnets_of_its_own(rule: str) -> None:
    drawn = [plan.subnets for plan in plans(rule)]
    assert drawn == [plan.subnets for plan in plans(rule)]
    if rule in WITH_ENDS:
        assert len({subnets[:2] for subnets in drawn}) == 1
        drawn = [subnets[2:] for subnets in drawn]
    assert len(set(drawn)) == COUNT
    assert len({subnet for subnets in drawn for subnet in subnets}) > 0.8 * sum(map(len, drawn))


@pytest.mark.parametrize("rule", RULES)
def test_the_first_worker_draws_what_a_lone_one_would(rule: str) -> None:
    if rule == "stratified":
        pytest.skip("its workers divide the strata among them")
    assert plans(rule)[0] == plans(rule, count=1)[0]


@pytest.mark.parametrize("rule", ["fair", "multi"])
def test_options_stand_equally_often_over_all_workers(rule: str) -> None:
    for step in range(5):
        used: dict[str, Counter] = defaultdict(Counter)
        for plan in plans(rule, step):
            for subnet in plan.subnets:
                for name, value in SPACE.encode(subnet).items():
                    used[name].update(dict.fromkeys(SPACE.parameters[name], 0))
                    used[name][value] += 1
        for name in ("width", "depth"):
            assert max(used[name].values()) - min(used[name].values()) <= 1, f"{name}: {used[name]}"


def test_workers_divide_the_strata_among_them() -> None:
    counter = ParamCounter(SPACE, SHAPE)
    for step in (0, 3):
        found = [
            stratum_of(counter(subnet), counter) for plan in plans("stratified", step, 2) for subnet in plan.subnets
        ]
        assert sorted(found) == list(range(STRATA))


@pytest.mark.parametrize("rule", RULES)
def test_workers_stay_alike_and_resume_to_the_bit(rule: str, tmp_path: Path) -> None:
    straight = trained(fresh(), rule, 5)
    first = trained(fresh(), rule, 3)
    save_tensors(first[0].state(), tmp_path / "state.safetensors")
    resumed = fresh()
    for trainer in resumed:
        trainer.load_state(load_tensors(tmp_path / "state.safetensors"))
    trained(resumed, rule, 2)
    for trainer in (*straight[1:], *resumed):
        assert trainer.teacher_nats == straight[0].teacher_nats
        for name, tensor in straight[0].supernet.shared.items():
            assert torch.equal(tensor, trainer.supernet.shared[name]), name


def test_a_tensor_that_another_worker_touched_moves_here_too() -> None:
    tensors = [torch.zeros(2), torch.zeros(3), torch.zeros(4)]
    tensors[0].grad = torch.ones(2)
    others = [torch.tensor([0.5, 0.5, 0.0])]
    found = Workers(0, 2, lambda own: own[0].copy_(others[0])).touched(tensors)
    assert [len(tensor) for tensor in found] == [2, 3]
    assert torch.equal(found[1].grad, torch.zeros(3))
    assert tensors[2].grad is None
