"""Training, scoring and fine-tuning on a real Ray cluster."""

from __future__ import annotations

import math
import socket
from pathlib import Path
from random import Random

import pytest
import ray
import torch

from frontier.evaluators.finalists import Finalist, FinalistPlan, fine_tune
from frontier.evaluators.scoring import Score, ScoringPool
from frontier.evaluators.tasks import LanguageModelConfig, open_task
from frontier.evaluators.training import TrainingPlan, TrainingReport, batch_seed, load_supernet, train_supernet
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import LanguageModel, Supernet
from frontier.supernet.checkpoint import load_tensors
from frontier.supernet.optimizer import TrainerOptions
from frontier.supernet.recalibration import recalibrated
from frontier.supernet.trainer import SupernetTrainer, cross_entropy
from frontier.supernet.training_rules import RULES

SPACE = SearchSpace.parse(
    {
        "name": "worker-test",
        "width": [16, 24],
        "depth": [1, 2],
        "token_mixers": [{"kind": "causal_conv", "channels": [8, 16], "kernel_size": [2, 3]}],
        "channel_mixers": [{"kind": "swiglu", "inner": [8, 16]}, {"kind": "gelu_mlp", "inner": [8, 16]}],
    }
)
TASK = LanguageModelConfig(context=24, validation_windows=12)
OPTIONS = TrainerOptions(steps=6, learning_rate=5e-3, warmup_steps=2)
pytestmark = pytest.mark.usefixtures("cluster")


def plan(run_dir: Path, workers: int, rule: str = "sandwich") -> TrainingPlan:
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


def trained_here(workers: int, rule: str) -> Supernet:
    """What `workers` data-parallel workers must arrive at: the same steps on their batches put together."""
    task = open_task(TASK)
    trainer = SupernetTrainer(Supernet(SPACE, task.shape, seed=4), OPTIONS)
    for step in range(OPTIONS.steps):
        own = [
            [task.train_batch(3, batch_seed(4, OPTIONS.steps, step, rank, number)) for rank in range(workers)]
            for number in range(2)
        ]
        together = [
            (torch.cat([inputs_BT for inputs_BT, _ in parts]), torch.cat([targets_BT for _, targets_BT in parts]))
            for parts in own
        ]
        # What a rule asks of the batch it asks of all workers; how many examples there are, of each.
        asked = together[0] if rule == "attentive" else own[0][0]
        trainer.step(trainer.draw(RULES[rule], 4, 2, asked), together)
    return trainer.supernet


def test_the_cluster_listens_on_the_loopback_address_alone() -> None:
    (node,) = ray.nodes()
    gcs, _, gcs_port = ray.get_runtime_context().gcs_address.rpartition(":")
    assert {node["NodeManagerAddress"], gcs} == {"127.0.0.1"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))  # sends nothing; tells which address this machine would send from
        outside = probe.getsockname()[0]
    for port in (int(gcs_port), node["NodeManagerPort"], node["ObjectManagerPort"]):
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((outside, port), timeout=5)


@pytest.mark.parametrize(("workers", "rule"), [(1, "sandwich"), (2, "sandwich"), (2, "attentive"), (2, "balanced")])
def test_workers_train_as_one_on_their_batches_together(workers: int, rule: str, tmp_path: Path) -> None:
    reports: list[TrainingReport] = []
    path = train_supernet(plan(tmp_path, workers, rule), reports.append)
    assert [report.step for report in reports] == [2, 4, 6]
    assert reports[-1].largest_nats < reports[0].largest_nats
    found = load_supernet(path, SPACE, open_task(TASK).shape)
    for name, expected in trained_here(workers, rule).shared.items():
        torch.testing.assert_close(found.shared[name], expected, rtol=1e-4, atol=1e-5, msg=name)
    assert all(report.expert_load is None for report in reports)
    again: list[TrainingReport] = []
    assert train_supernet(plan(tmp_path, workers, rule), again.append) == path
    assert again == []


def in_process(supernet: Supernet, architecture: Architecture) -> float:
    inputs_BT, targets_BT = open_task(TASK).validation_batch()
    with torch.inference_mode():
        return cross_entropy(supernet(architecture, inputs_BT), targets_BT).item()


@pytest.fixture
def supernet() -> Supernet:
    return Supernet(SPACE, open_task(TASK).shape, seed=9)


def samples(count: int) -> list[Architecture]:
    rng = Random(0)
    return [SPACE.sample(rng) for _ in range(count)]


def scored(pool: ScoringPool) -> list[Score]:
    scores: list[Score] = []
    while pool.waiting:
        scores += pool.next()
    return scores


def test_scores_are_those_of_the_subnets_in_the_order_of_asking(supernet: Supernet) -> None:
    pool = ScoringPool(supernet, open_task(TASK).validation_batch(), workers=2, threads=1)
    chosen = samples(9)
    for start in range(0, 9, 3):
        pool.submit(chosen[start : start + 3])
    scores = scored(pool)
    pool.close()
    assert [score.digest for score in scores] == [architecture.digest for architecture in chosen]
    assert {score.worker for score in scores} == {"worker 0", "worker 1"}
    for architecture, score in zip(chosen, scores, strict=True):
        assert score.val_loss == pytest.approx(in_process(supernet, architecture), rel=1e-5)


def test_recalibrated_scores_are_those_of_adapted_copies(supernet: Supernet) -> None:
    task = open_task(TASK)
    batches = [task.train_batch(3, seed) for seed in (1, 2)]
    pool = ScoringPool(supernet, task.validation_batch(), workers=1, threads=1, recalibration=batches)
    chosen = samples(3)
    pool.submit(chosen)
    scores = scored(pool)
    pool.close()
    inputs_BT, targets_BT = task.validation_batch()
    for architecture, score in zip(chosen, scores, strict=True):
        model = recalibrated(supernet, architecture, batches)
        with torch.inference_mode():
            expected = cross_entropy(model(inputs_BT), targets_BT).item()
        assert score.val_loss == pytest.approx(expected, rel=1e-5)
        assert score.val_loss != pytest.approx(in_process(supernet, architecture), rel=1e-5)


def test_a_lost_workers_batches_are_given_out_again(supernet: Supernet) -> None:
    pool = ScoringPool(supernet, open_task(TASK).validation_batch(), workers=2, threads=1)
    chosen = samples(8)
    for start in range(0, 8, 2):
        pool.submit(chosen[start : start + 2])
    for actor in list(pool._actors):
        ray.kill(actor)
    scores = scored(pool)
    pool.close()
    assert [score.digest for score in scores] == [architecture.digest for architecture in chosen]
    assert all(score.val_loss is not None for score in scores)


def test_an_architecture_that_fails_sinks_nobody_else(supernet: Supernet) -> None:
    inside = samples(1)[0]
    outside = Architecture.from_json({**inside.to_json(), "width": 999})
    pool = ScoringPool(supernet, open_task(TASK).validation_batch(), workers=1, threads=1)
    pool.submit([outside, inside])
    failed, fine = scored(pool)
    pool.close()
    assert failed.val_loss is None
    assert "999 does not fit" in (failed.reason or "")
    assert fine.val_loss is not None


def test_a_loss_that_is_no_number_is_a_failure(supernet: Supernet) -> None:
    with torch.no_grad():
        supernet.shared["head.weight"].fill_(math.nan)
    pool = ScoringPool(supernet, open_task(TASK).validation_batch(), workers=1, threads=1)
    pool.submit(samples(1))
    (score,) = scored(pool)
    pool.close()
    assert score.val_loss is None
    assert score.reason == "its validation loss is nan"


def test_finalists_leave_better_than_they_came(supernet: Supernet, tmp_path: Path) -> None:
    task = open_task(TASK)
    chosen = list(dict.fromkeys([SPACE.smallest(), SPACE.largest(), *samples(1)]))
    finalists: list[Finalist] = []
    options = TrainerOptions(steps=12, learning_rate=5e-3, warmup_steps=2)
    run = FinalistPlan(TASK, SPACE.to_json(), options, 4, workers=2, threads=1, seed=0, run_dir=str(tmp_path))
    fine_tune(run, supernet, chosen, finalists.append)
    assert {finalist.digest for finalist in finalists} == {architecture.digest for architecture in chosen}
    by_digest = {architecture.digest: architecture for architecture in chosen}
    inputs_BT, targets_BT = task.validation_batch()
    for finalist in finalists:
        architecture = by_digest[finalist.digest]
        assert finalist.val_loss < in_process(supernet, architecture)
        model = LanguageModel.build(architecture, task.shape)
        model.load_state_dict(load_tensors(Path(finalist.weights_path)))
        with torch.inference_mode():
            assert cross_entropy(model(inputs_BT), targets_BT).item() == pytest.approx(finalist.val_loss, rel=1e-5)
