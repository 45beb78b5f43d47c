"""Poison on a real Ray cluster: subnets that raise, hang, die or return no number fail alone, with their reason."""

from __future__ import annotations

import math
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping

import pytest
import ray
import torch
from torch import Tensor

from frontier.evaluators.scoring import Score, ScoringPool
from frontier.evaluators.tasks import open_task
from frontier.search_space import Architecture
from frontier.supernet import Supernet

from .small_task import TASK, new_supernet, samples, scored

# Workers cannot import this file, so its classes travel whole.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

pytestmark = pytest.mark.usefixtures("cluster")
LIMIT_SECONDS = 5.0
ATTEMPTS = 3


def raises(inputs: Tensor) -> Tensor:
    raise ZeroDivisionError("the operator divides by zero")


def no_number(inputs: Tensor) -> Tensor:
    return torch.full((*inputs.shape, 256), math.nan)


def too_large(inputs: Tensor) -> Tensor:
    return torch.empty(2**60)


def hangs(inputs: Tensor) -> Tensor:
    while True:
        time.sleep(3600)


def hangs_and_answers_nothing(inputs: Tensor) -> Tensor:
    """The regular expression is tried for years, and no other thread of the process gets a turn meanwhile."""
    re.match("(a+)+$", "a" * 64 + "b")
    raise AssertionError("it should have taken years")


def dies(inputs: Tensor) -> Tensor:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it should have died")


POISONS: Mapping[Callable[[Tensor], Tensor], str] = {
    raises: "ZeroDivisionError: the operator divides by zero",
    no_number: "its validation loss is nan",
    too_large: "out of memory: ",
    dies: "its worker died: ",
    hangs: f"took longer than {LIMIT_SECONDS:g} s",
    hangs_and_answers_nothing: f"took longer than {LIMIT_SECONDS:g} s",
}
CHOSEN = samples(2 + 2 * len(POISONS))
VICTIMS = {architecture.digest: poison for architecture, poison in zip(CHOSEN[1::2], POISONS, strict=False)}


KILLERS = CHOSEN[4:6]


class Poisoned(Supernet):
    """One whose `VICTIMS` do what their poison does."""

    def __call__(self, architecture: Architecture, inputs: Tensor) -> Tensor:
        poison = VICTIMS.get(architecture.digest)
        return poison(inputs) if poison else super().__call__(architecture, inputs)


class KillsOnce(Supernet):
    """One that kills its process the first time it runs a killer, and leaves a file to tell that it did."""

    folder = ""

    def __call__(self, architecture: Architecture, inputs: Tensor) -> Tensor:
        mark = os.path.join(self.folder, architecture.digest)
        if architecture in KILLERS and not os.path.exists(mark):
            open(mark, "x").close()
            dies(inputs)
        return super().__call__(architecture, inputs)


def pool_of(kind: type[Supernet], workers: int = 2, **options: float) -> ScoringPool:
    return ScoringPool(new_supernet(kind), open_task(TASK).validation_batch(), workers, threads=1, **options)


def submit_all(pool: ScoringPool) -> None:
    for start in range(0, len(CHOSEN), 3):
        pool.submit(CHOSEN[start : start + 3])


@pytest.fixture(scope="module")
def clean() -> dict[str, Score]:
    pool = pool_of(Supernet)
    submit_all(pool)
    scores = {score.digest: score for score in scored(pool)}
    pool.close()
    return scores


@pytest.fixture(scope="module")
def poisoned() -> list[Score]:
    pool = pool_of(Poisoned, limit_seconds=LIMIT_SECONDS, attempts=ATTEMPTS)
    submit_all(pool)
    scores = scored(pool)
    pool.close()
    return scores


@pytest.mark.parametrize("poison", POISONS, ids=lambda poison: poison.__name__)
def test_poison_fails_with_its_reason(poison: Callable[[Tensor], Tensor], poisoned: list[Score]) -> None:
    (digest,) = [digest for digest, given in VICTIMS.items() if given is poison]
    (score,) = [score for score in poisoned if score.digest == digest]
    assert score.state == "failed"
    assert score.val_loss is None
    assert (score.reason or "").startswith(POISONS[poison])
    assert score.attempts == (1 if poison is no_number else ATTEMPTS)


def test_poison_spoils_no_other_score(poisoned: list[Score], clean: dict[str, Score]) -> None:
    assert [score.digest for score in poisoned] == [architecture.digest for architecture in CHOSEN]
    innocent = [score for score in poisoned if score.digest not in VICTIMS]
    assert len(innocent) == len(CHOSEN) - len(POISONS)
    for score in innocent:
        assert (score.state, score.val_loss) == ("complete", clean[score.digest].val_loss), score.reason


def test_scores_after_a_kill_are_those_without_one(tmp_path_factory: pytest.TempPathFactory, clean: dict) -> None:
    KillsOnce.folder = str(tmp_path_factory.mktemp("killed"))
    pool = pool_of(KillsOnce)
    submit_all(pool)
    found = scored(pool)
    pool.close()
    assert {score.digest: score.val_loss for score in found} == {
        digest: score.val_loss for digest, score in clean.items()
    }
    assert all(score.attempts >= 2 for score in found if score.digest in {killer.digest for killer in KILLERS})
    assert len(os.listdir(KillsOnce.folder)) == len(KILLERS)


class CannotStart(Supernet):
    """One that workers cannot build."""

    def __init__(self, *arguments: object, shared: object = None, **options: object) -> None:
        if shared is not None:
            raise OSError("no room for the weights")
        super().__init__(*arguments, **options)


def test_a_pool_whose_workers_cannot_start_says_why() -> None:
    pool = pool_of(CannotStart, workers=1)
    pool.submit(CHOSEN[:1])
    with pytest.raises(RuntimeError, match=r"no scoring worker can be started: .*no room for the weights"):
        pool.next()
    pool.close()
