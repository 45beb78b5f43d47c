"""Scoring on a real Ray cluster: scores and their order, lost workers, more and fewer workers, early exit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import ray
import torch

from frontier.evaluators.early_exit import LEAST_EXAMPLES
from frontier.evaluators.scoring import Score, ScoringPool
from frontier.evaluators.tasks import open_task
from frontier.search_space import Architecture
from frontier.supernet import Supernet
from frontier.supernet.recalibration import recalibrated
from frontier.supernet.trainer import Batch, cross_entropy

from .small_task import SPACE, TASK, in_process, new_supernet, samples, scored

pytestmark = pytest.mark.usefixtures("cluster")
CHOSEN = samples(9)
START_SECONDS = 60.0


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    return new_supernet()


@pytest.fixture(scope="module")
def validation() -> Batch:
    return open_task(TASK).validation_batch()


@pytest.fixture(scope="module")
def pool(supernet: Supernet, validation: Batch) -> Iterator[ScoringPool]:
    """Two workers that see the validation windows in three parts of four."""
    pool = ScoringPool(supernet, validation, workers=2, threads=1, parts=3)
    yield pool
    pool.close()


def submit(pool: ScoringPool, size: int) -> None:
    for start in range(0, len(CHOSEN), size):
        pool.submit(CHOSEN[start : start + size])


def outcome(score: Score) -> Score:
    """A score without what depends on when and where it was made."""
    return replace(score, worker="", seconds=0.0)


@pytest.fixture(scope="module")
def undisturbed(pool: ScoringPool) -> list[Score]:
    submit(pool, 3)
    return scored(pool)


def test_scores_are_those_of_the_subnets_in_the_order_of_asking(undisturbed: list[Score], supernet: Supernet) -> None:
    assert [score.digest for score in undisturbed] == [architecture.digest for architecture in CHOSEN]
    for architecture, score in zip(CHOSEN, undisturbed, strict=True):
        assert score.val_loss == pytest.approx(in_process(supernet, architecture), rel=1e-5)
        assert (score.state, score.attempts, score.share_seen) == ("complete", 1, 1.0)


def test_every_worker_has_its_share(pool: ScoringPool) -> None:
    assert pool.wait_for_workers(START_SECONDS)
    submit(pool, 1)
    assert {score.worker for score in scored(pool)} == {"worker 0", "worker 1"}


def test_an_empty_batch_comes_back_empty(pool: ScoringPool) -> None:
    pool.submit([])
    assert pool.next() == []


def test_an_architecture_that_does_not_fit_sinks_nobody_else(pool: ScoringPool) -> None:
    outside = Architecture.from_json({**CHOSEN[0].to_json(), "width": 999})
    pool.submit([outside, CHOSEN[0]])
    failed, fine = pool.next()
    assert (failed.state, failed.val_loss, failed.attempts) == ("failed", None, 3)
    assert "999 does not fit" in (failed.reason or "")
    assert fine.state == "complete"


def test_lost_workers_change_no_score(pool: ScoringPool, undisturbed: list[Score]) -> None:
    submit(pool, 2)
    for worker in list(pool._workers):
        ray.kill(worker._actor)
    found = scored(pool)
    assert [replace(outcome(score), attempts=1) for score in found] == [outcome(score) for score in undisturbed]
    assert max(score.attempts for score in found) <= 2


def test_a_pool_that_grows_and_shrinks_changes_no_score(pool: ScoringPool, undisturbed: list[Score]) -> None:
    submit(pool, 1)
    pool.resize(3)
    pool.resize(1)
    found = pool.next()
    assert len(pool._workers) == 1
    pool.resize(2)
    assert [outcome(score) for score in found + scored(pool)] == [outcome(score) for score in undisturbed]


def test_workers_that_find_no_room_hold_nobody_up(pool: ScoringPool, undisturbed: list[Score]) -> None:
    pool.resize(4)
    submit(pool, 2)
    assert [outcome(score) for score in scored(pool)] == [outcome(score) for score in undisturbed]
    assert pool.workers_up <= 2
    pool.resize(2)


def test_what_is_good_enough_is_never_given_up(pool: ScoringPool, undisturbed: list[Score]) -> None:
    pool.submit(CHOSEN, [score.val_loss for score in undisturbed])
    assert [outcome(score) for score in pool.next()] == [outcome(score) for score in undisturbed]


def test_what_is_hopeless_is_given_up_on_the_first_windows(pool: ScoringPool, undisturbed: list[Score]) -> None:
    known = [score.val_loss for score in undisturbed if score.val_loss is not None]
    bounds = [loss - 1.0 if index % 2 else None for index, loss in enumerate(known)]
    pool.submit(CHOSEN, bounds)
    for score, loss, bound in zip(pool.next(), known, bounds, strict=True):
        if bound is None:
            assert (score.state, score.share_seen) == ("complete", 1.0)
            continue
        assert score.state == "given_up"
        assert score.share_seen == pytest.approx(LEAST_EXAMPLES / TASK.validation_windows)
        assert score.val_loss == pytest.approx(loss, abs=0.2)
        assert f"bound {bound:.4f}" in (score.reason or "")


@pytest.fixture
def room(pool: ScoringPool) -> Iterator[None]:
    """A CPU of the cluster for a pool with other options."""
    pool.resize(1)
    yield
    pool.resize(2)


@pytest.mark.usefixtures("room")
def test_recalibrated_scores_are_those_of_adapted_copies(supernet: Supernet, validation: Batch) -> None:
    task = open_task(TASK)
    batches = [task.train_batch(3, seed) for seed in (1, 2)]
    pool = ScoringPool(supernet, validation, workers=1, threads=1, recalibration=batches)
    pool.submit(CHOSEN[:3])
    scores = pool.next()
    pool.close()
    inputs_BT, targets_BT = validation
    for architecture, score in zip(CHOSEN, scores, strict=False):
        model = recalibrated(supernet, architecture, batches)
        with torch.inference_mode():
            expected = cross_entropy(model(inputs_BT), targets_BT).item()
        assert score.val_loss == pytest.approx(expected, rel=1e-5)
        assert score.val_loss != pytest.approx(in_process(supernet, architecture), rel=1e-5)


@pytest.mark.usefixtures("room")
def test_scores_in_bfloat16_are_near_those_in_float32(supernet: Supernet, validation: Batch) -> None:
    pool = ScoringPool(supernet, validation, workers=1, threads=1, precision="bfloat16")
    pool.submit([SPACE.largest()])
    (score,) = pool.next()
    pool.close()
    exact = in_process(supernet, SPACE.largest())
    assert score.val_loss == pytest.approx(exact, rel=0.02)
    assert score.val_loss != exact
