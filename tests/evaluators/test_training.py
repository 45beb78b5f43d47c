"""Supernet training on a real Ray cluster, and what it may begin with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from frontier.errors import InputError
from frontier.evaluators.initial_weights import read_initial_weights
from frontier.evaluators.on_device import computing_in
from frontier.evaluators.tasks import open_task
from frontier.evaluators.training import TrainingPlan, TrainingReport, batch_seed, load_supernet, train_supernet
from frontier.search_space import SearchSpace
from frontier.supernet import Supernet
from frontier.supernet.checkpoint import save_tensors
from frontier.supernet.optimizer import TrainerOptions
from frontier.supernet.trainer import SupernetTrainer
from frontier.supernet.training_rules import RULES, Group, Plan
from frontier.supernet.workers import Workers

from .small_task import SPACE, TASK

OPTIONS = TrainerOptions(steps=6, learning_rate=5e-3, warmup_steps=2)


def plan(run_dir: Path, workers: int | tuple[int, int], rule: str = "sandwich") -> TrainingPlan:
    return TrainingPlan(
        task=TASK,
        space=SPACE.to_json(),
        options=OPTIONS,
        batch_size=3,
        rule=rule,
        random_subnets=2,
        workers=workers,
        threads=1,
        use_gpu=False,
        seed=4,
        run_dir=str(run_dir),
        report_every=2,
        checkpoint_every=2,
    )


def trained_here(workers: int, rule: str, seed: int = 4) -> Supernet:
    """What `workers` data-parallel workers must arrive at: one's steps on all their subnets, each on its own batch."""
    task = open_task(TASK)
    trainer = SupernetTrainer(Supernet(SPACE, task.shape, seed), OPTIONS)
    for step in range(OPTIONS.steps):
        groups, batches = [], []
        for rank in range(workers):
            own = [task.train_batch(3, batch_seed(4, OPTIONS.steps, step, rank, number)) for number in range(2)]
            drawn = trainer.draw(RULES[rule], 4, 2, own[0], Workers(rank, workers))
            groups += [Group(group.subnets, group.batch + len(batches)) for group in drawn.groups]
            batches += own[: drawn.batches]
        trainer.step(Plan(tuple(groups)), batches)
    return trainer.supernet


def assert_same_weights(found: Supernet, expected: Supernet) -> None:
    for name, tensor in expected.shared.items():
        torch.testing.assert_close(found.shared[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(("workers", "rule"), [(1, "sandwich"), (2, "sandwich"), (2, "attentive"), (2, "balanced")])
def test_workers_train_as_one_on_all_their_subnets(workers: int, rule: str, tmp_path: Path) -> None:
    reports: list[TrainingReport] = []
    path = train_supernet(plan(tmp_path, workers, rule), reports.append)
    assert [report.step for report in reports] == [2, 4, 6]
    assert reports[-1].largest_nats < reports[0].largest_nats
    assert_same_weights(load_supernet(path, SPACE, open_task(TASK).shape), trained_here(workers, rule))
    assert all(report.expert_load is None for report in reports)
    again: list[TrainingReport] = []
    assert train_supernet(plan(tmp_path, workers, rule), again.append) == path
    assert again == []


@pytest.mark.usefixtures("cluster")
def test_elastic_workers_begin_with_the_weights_they_are_given(tmp_path: Path) -> None:
    begun = Supernet(SPACE, open_task(TASK).shape, seed=77)
    save_tensors({f"shared.{name}": tensor for name, tensor in begun.shared.items()}, tmp_path / "begun.safetensors")
    elastic = replace(plan(tmp_path / "run", (1, 2)), initial_weights=str(tmp_path / "begun.safetensors"))
    path = train_supernet(elastic, lambda report: None)
    found = load_supernet(path, SPACE, open_task(TASK).shape)
    assert_same_weights(found, trained_here(2, "sandwich", seed=77))


def test_initial_weights_are_those_of_the_file(tmp_path: Path) -> None:
    shape = open_task(TASK).shape
    supernet = Supernet(SPACE, shape, seed=5)
    save_tensors(SupernetTrainer(supernet, OPTIONS).state(), tmp_path / "weights.safetensors")
    found = read_initial_weights(tmp_path / "weights.safetensors", SPACE, shape)
    assert found.keys() == supernet.shared.keys()
    assert all(torch.equal(tensor, supernet.shared[name]) for name, tensor in found.items())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"width": [16, 32]}, r"whose blocks\.0\.channel_mixer\.gelu_mlp\.down\.weight is 32 x 16; got 24 x 16 in "),
        ({"depth": [1, 3]}, r"whose blocks\.2\.channel_mixer\.gelu_mlp\.down\.weight is 24 x 16; got not there in "),
        ({"depth": [1]}, r"whose blocks\.1\.channel_mixer\.gelu_mlp\.down\.weight is not there; got 24 x 16 in "),
    ],
    ids=["width", "missing", "surplus"],
)
def test_initial_weights_of_another_space_are_refused(change: dict, told: str, tmp_path: Path) -> None:
    shape = open_task(TASK).shape
    save_tensors(SupernetTrainer(Supernet(SPACE, shape), OPTIONS).state(), tmp_path / "weights.safetensors")
    other = SearchSpace.parse({**SPACE.to_json(), **change})
    with pytest.raises(InputError, match=f"^initial_weights: .*{told}"):
        read_initial_weights(tmp_path / "weights.safetensors", other, shape)


def test_training_in_bfloat16_keeps_its_weights_in_float32() -> None:
    task = open_task(TASK)
    losses = {}
    for precision in ("float32", "bfloat16"):
        trainer = SupernetTrainer(Supernet(SPACE, task.shape, seed=4), OPTIONS)
        with computing_in(precision, "cpu"):
            found = [trainer.follow(RULES["sandwich"], 4, 2, lambda number: task.train_batch(3, 1)) for _ in range(6)]
        losses[precision] = torch.tensor(found)
        assert {tensor.dtype for tensor in trainer.supernet.shared.values()} == {torch.float32}
    assert not torch.equal(losses["bfloat16"], losses["float32"])
    torch.testing.assert_close(losses["bfloat16"], losses["float32"], rtol=0.03, atol=0.0)
