"""The search loop on a real ledger with real predictions; workers are stood in for, by a law of the architecture."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL_JOB

from frontier.db import Evaluation, Ledger, open_ledger
from frontier.evaluators.score import Score
from frontier.jobs.config import JobConfig, parse_job
from frontier.jobs.search import Search
from frontier.latency_models import Composition, Measurement, Predictor, Tracer
from frontier.latency_models.predicting.fit import KernelModel
from frontier.search_space import Architecture
from frontier.terminal import TerminalReporter

BUDGET = 23


class Lawful:
    """Workers whose scores follow from the architecture; `stop_after` batches they die."""

    def __init__(self, stop_after: int | None = None, factor: float = 1.0) -> None:
        self.scored: list[str] = []
        self.bounds: list[Any] = []
        self._stop_after, self._factor = stop_after, factor
        self._waiting: deque[list[Score]] = deque()

    def submit(self, architectures: Sequence[Architecture], bounds: Sequence[float | None] | None = None) -> None:
        self.bounds.append(bounds)
        self._waiting.append([Score(a.digest, self._factor * loss_of(a), 0.01, "worker 0") for a in architectures])

    def next(self) -> list[Score]:
        if self._stop_after is not None and self._stop_after == 0:
            raise KeyboardInterrupt
        self._stop_after = None if self._stop_after is None else self._stop_after - 1
        scores = self._waiting.popleft()
        self.scored += [score.digest for score in scores]
        return scores


def loss_of(architecture: Architecture) -> float:
    """Wider is better, and so is deeper; the digest breaks ties."""
    return 3.0 - architecture.width / 32 - len(architecture.blocks) / 4 + int(architecture.digest[:4], 16) / 1e6


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    config = small()
    space, tracer = config.open_space(), Tracer(config.task.shape)
    known = {
        one.call.key: Measurement(one.call, 2.0 + one.call.flops / 3000 + one.call.bytes / 800, 0.01, 10)
        for architecture in (space.smallest(), space.largest())
        for workload in config.workloads
        for one in tracer.calls(architecture, workload)
    }
    composition = Composition(1.1, 0.002, 0.05, 0.04, 0.02, 0, "", [], [])
    phases = {workload.phase: composition for workload in config.workloads}
    return Predictor(KernelModel(list(known.values())), phases, config.task.shape)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(str(tmp_path / "f.db")) as opened:
        yield opened


def small(algorithm: str = "random", **changes: Any) -> JobConfig:
    search = {"evaluations": BUDGET, "algorithm": algorithm, **changes.pop("search", {})}
    return parse_job({**SMALL_JOB, "search": search, **changes}, "small")


def job(ledger: Ledger, config: JobConfig, job_id: str) -> str:
    ledger.create_job(
        job_id=job_id, name="small", config=config.model_dump(mode="json"), space=config.open_space().to_json(),
        run_dir="/nowhere", objectives=config.objectives,
    )  # fmt: skip
    return job_id


def search(
    ledger: Ledger, predictor: Predictor, config: JobConfig, job_id: str, pool: Lawful, known: Sequence[Evaluation] = ()
) -> Search:
    searched = Search(config, config.open_space(), predictor, ledger, job_id, known)
    searched.run(pool, TerminalReporter(quiet=True))
    return searched


def kept(ledger: Ledger, job_id: str) -> list[tuple[str, float]]:
    frame = ledger.evaluations(job_id, "inherited")
    return list(zip(frame["digest"], frame["val_loss"], strict=True))


@pytest.mark.parametrize("algorithm", ["random", "evolution", "predictor"])
def test_the_budget_is_spent_on_different_architectures_with_all_their_costs(
    algorithm: str, ledger: Ledger, predictor: Predictor
) -> None:
    config = small(algorithm)
    pool = Lawful()
    searched = search(ledger, predictor, config, job(ledger, config, "a"), pool)
    assert searched.scored == len(set(pool.scored)) == BUDGET
    assert searched.ended == ""
    frame = ledger.evaluations("a", "inherited")
    assert list(frame["digest"]) == pool.scored
    architecture = Architecture.from_json(frame["architecture"].iloc[3])
    for workload in config.workloads:
        alone = predictor.predict(architecture, workload)
        assert frame[f"{workload.phase}_latency_ms"].iloc[3] == pytest.approx(alone.latency_ms)
    assert frame["latency_ms"].equals(frame["prefill_latency_ms"])
    assert frame["measured_share"].between(0, 1).all()
    assert not ledger.breakdown("a", pool.scored[3]).empty


def test_an_interrupted_search_ends_as_one_that_was_not(ledger: Ledger, predictor: Predictor) -> None:
    config = small("predictor")
    whole, broken = Lawful(), Lawful(stop_after=3)
    search(ledger, predictor, config, job(ledger, config, "whole"), whole)
    job(ledger, config, "broken")
    with pytest.raises(KeyboardInterrupt):
        search(ledger, predictor, config, "broken", broken)
    committed = kept(ledger, "broken")
    assert [digest for digest, _ in committed] == broken.scored
    rest = Lawful()
    search(ledger, predictor, config, "broken", rest)
    assert kept(ledger, "broken") == kept(ledger, "whole")
    assert not set(rest.scored) & set(broken.scored)


def test_limits_on_costs_are_never_proposed_and_one_on_the_loss_keeps_off_the_front(
    ledger: Ledger, predictor: Predictor
) -> None:
    free = small()
    search(ledger, predictor, free, job(ledger, free, "free"), Lawful())
    seen = ledger.evaluations("free", "inherited")
    latency, loss = seen["decode_latency_ms"].median(), seen["val_loss"].median()
    config = small(constraints={"decode_latency_ms": {"max": latency}, "val_loss": {"max": loss}})
    search(ledger, predictor, config, job(ledger, config, "limited"), Lawful())
    frame = ledger.evaluations("limited", "inherited")
    assert (frame["decode_latency_ms"] <= latency).all()
    assert set(frame.query("val_loss > @loss")["state"]) == {"infeasible"}
    assert (ledger.front("limited")["val_loss"] <= loss).all()


def test_a_space_smaller_than_the_budget_is_exhausted_and_that_is_said(ledger: Ledger, predictor: Predictor) -> None:
    config = small(search={"evaluations": 5000})
    searched = search(ledger, predictor, config, job(ledger, config, "all"), Lawful())
    assert searched.scored == config.open_space().count()
    assert searched.ended == f"nothing new was proposed after {searched.scored} evaluations"


def test_scores_of_another_job_are_taken_over_and_not_proposed_again(ledger: Ledger, predictor: Predictor) -> None:
    first = small()
    search(ledger, predictor, first, job(ledger, first, "first"), Lawful())
    theirs = list(ledger.recorded("first", "inherited").values())
    config, pool = small("evolution", seed=5), Lawful()
    searched = search(ledger, predictor, config, job(ledger, config, "second"), pool, theirs)
    assert searched.scored == 2 * BUDGET
    assert kept(ledger, "second")[:BUDGET] == kept(ledger, "first")
    assert not set(pool.scored) & {evaluation.digest for evaluation in theirs}


def test_giving_up_is_told_with_every_batch(ledger: Ledger, predictor: Predictor) -> None:
    config, pool = small(search={"give_up_margin": 0.05}), Lawful()
    search(ledger, predictor, config, job(ledger, config, "bound"), pool)
    assert all(bounds is not None for bounds in pool.bounds)
    assert any(bound is not None for bounds in pool.bounds for bound in bounds)


def test_an_algorithm_of_ones_own_that_repeats_itself_is_named(
    ledger: Ledger, predictor: Predictor, tmp_path: Path
) -> None:
    own = tmp_path / "stubborn.py"
    own.write_text(
        "from frontier.jobs.algorithms import Algorithm\n"
        "from frontier.search_space.population import Population\n"
        "class Stubborn(Algorithm):\n"
        "    def __init__(self, problem, settings, seed):\n"
        "        self.space = problem.space\n"
        "    def ask(self, count):\n"
        "        return Population.of(self.space, [self.space.largest()])\n"
        "    def tell(self, population, values):\n"
        "        pass\n"
    )
    config = small(f"{own}:Stubborn")
    with pytest.raises(ValueError, match=r"search.algorithm: .*Stubborn proposed \w+ a second time"):
        search(ledger, predictor, config, job(ledger, config, "own"), Lawful())
