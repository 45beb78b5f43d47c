"""The search loop: ask, score, record, tell.

Several batches are on their way at once and results are taken in the order of asking, so the same seed and the same
number of workers give the same search. That makes resuming simple: the loop runs again from the start, and what the
ledger already holds is looked up there instead of being scored.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..db import Evaluation, Ledger
from ..db import Quality as QualityRow
from ..db.patience import patiently
from ..evaluators.score import Score
from ..latency_models import Predictor
from ..search_space import Architecture, SearchSpace
from ..search_space.population import Population
from .algorithms import AlgorithmSettings, Quality, open_algorithm
from .algorithms.problem import Problem
from .config import JobConfig
from .costs import SCORED, CostModel
from .recorder import PATIENCE_SECONDS, Recorder
from .reporter import Reporter
from .stopping import Stopping

BATCHES_PER_WORKER = 2
# Of larger searches only what enters the front has its latency taken apart in the ledger.
BREAKDOWNS = 2000
TAKEN_AT_ONCE = 500
# The error of the search's own predictor is kept whenever there are this many times as many evaluations.
QUALITY_EVERY = 1.25

STATES = {"failed": "failed", "given_up": "hopeless"}


class Pool(Protocol):
    """Scores batches in the order of submission (`ScoringPool`)."""

    def submit(self, architectures: Sequence[Architecture], bounds: Sequence[float | None] | None = None) -> None: ...

    def next(self) -> list[Score]: ...


@dataclass(frozen=True, eq=False)
class _Batch:
    """Architectures asked together, what they are predicted to cost, and the numbers of those that are scored."""

    population: Population
    architectures: Sequence[Architecture]
    predicted: Sequence[Mapping[str, Any]]
    to_score: NDArray[np.intp]


class Search:
    """One job's search stage.

    Args:
        known: what another job scored with the same weights.
        spent_seconds: how long earlier runs of this job searched.
        worker: who has claimed the job, if anybody has.

    After `run`, `scored` architectures were evaluated by this run and those before it, and `ended` says why no more;
    `recorded_before` of them were in the ledger when it began.
    """

    def __init__(
        self,
        config: JobConfig,
        space: SearchSpace,
        predictor: Predictor,
        ledger: Ledger,
        job_id: str,
        known: Sequence[Evaluation] = (),
        spent_seconds: float = 0.0,
        worker: str | None = None,
    ) -> None:
        self._config, self._space, self._ledger, self._job_id = config, space, ledger, job_id
        self._worker = worker
        self._costs = CostModel(config, predictor)
        problem = Problem(space, config.objectives, self._costs.costs)
        settings = AlgorithmSettings(population=config.search.population)
        self.algorithm = open_algorithm(config.search.algorithm, problem, settings, config.seed)
        self._recorded = dict(ledger.recorded(job_id, "inherited"))
        self._known = known
        self._stopping = Stopping(config)
        self._asked: set[str] = set()
        self._spent_seconds = spent_seconds
        self._quality_at = 1
        self.recorded_before = len(self._recorded)
        self.scored = 0
        self.ended = ""

    def run(self, pool: Pool, reporter: Reporter) -> None:
        """Score until the budget is spent, a limit is reached or nothing new is proposed."""
        budget = self._config.search.evaluations
        depth = self._config.search.workers * BATCHES_PER_WORKER
        recorder = Recorder(self._ledger, self._job_id, self._on_written, self._worker)
        waiting: deque[_Batch] = deque()
        self._started = time.monotonic()
        try:
            self._take_over(recorder)
            while True:
                self.ended = self.ended or self._stopping.reason(self._seconds())
                while len(waiting) < depth and len(self._asked) < budget and not self.ended:
                    batch = self._ask(budget - len(self._asked))
                    if not batch.architectures:
                        self.ended = f"nothing new was proposed after {len(self._asked)} evaluations"
                        break
                    waiting.append(batch)
                    self._submit(pool, batch)
                if not waiting:
                    return
                batch = waiting.popleft()
                self._settle(batch, pool.next() if len(batch.to_score) else [], recorder)
                reporter.progress(self.scored, budget, self._stopping.best())
        finally:
            recorder.flush()

    def _ask(self, left: int) -> _Batch:
        population = self.algorithm.ask(min(self._config.search.batch_size, left))
        architectures = [population.architecture(row) for row in range(len(population))]
        for architecture in architectures:
            if architecture.digest in self._asked:
                name = self._config.search.algorithm
                raise ValueError(f"search.algorithm: {name} proposed {architecture.digest} a second time")
            self._asked.add(architecture.digest)
        new = [found.digest not in self._recorded for found in architectures]
        return _Batch(population, architectures, self._costs.predicted(population), np.flatnonzero(new))

    def _submit(self, pool: Pool, batch: _Batch) -> None:
        if len(batch.to_score):
            wanted = [batch.architectures[row] for row in batch.to_score]
            pool.submit(wanted, self._bounds(batch))

    def _bounds(self, batch: _Batch) -> list[float | None] | None:
        """The losses beyond which there is no hope, where the job gives up such architectures."""
        if self._config.search.give_up_margin is None:
            return None
        objectives = self._config.objectives
        costs = [[batch.predicted[row].get(name, np.nan) for name in objectives] for row in batch.to_score]
        return self._stopping.bounds(np.array(costs))

    def _take_over(self, recorder: Recorder) -> None:
        """Begin with what another job scored, as far as it is feasible here; none of it is proposed again."""
        by_digest = {evaluation.digest: evaluation for evaluation in self._known}
        architectures = [Architecture.from_json(evaluation.architecture) for evaluation in self._known]
        population = Population.of(self._space, architectures)
        feasible = np.flatnonzero(self._costs.costs(population).violation == 0)
        for rows in np.array_split(feasible, -(-len(feasible) // TAKEN_AT_ONCE)) if len(feasible) else ():
            taken = [architectures[row] for row in rows]
            batch = _Batch(population[rows], taken, self._costs.predicted(population[rows]), np.arange(len(rows)))
            self._settle(batch, [_score(by_digest[architecture.digest]) for architecture in taken], recorder)

    def _settle(self, batch: _Batch, scores: Sequence[Score], recorder: Recorder) -> None:
        """Record what is new and tell the algorithm about the whole batch."""
        fresh = dict(zip(batch.to_score.tolist(), scores, strict=True))
        evaluations: list[Evaluation] = []
        for row, architecture in enumerate(batch.architectures):
            evaluation = self._recorded.pop(architecture.digest, None)
            is_new = evaluation is None
            if evaluation is None:
                evaluation = self._evaluation(architecture, batch.predicted[row], fresh[row])
            on_front = self._stopping.tell(evaluation)
            if is_new:
                wanted = on_front or self._config.search.evaluations <= BREAKDOWNS
                recorder.add(evaluation, self._costs.breakdown(architecture) if wanted else None)
            evaluations.append(evaluation)
        self.scored += len(evaluations)
        self.algorithm.tell(batch.population, np.array([self._values(evaluation) for evaluation in evaluations]))

    def _values(self, evaluation: Evaluation) -> NDArray[np.float64]:
        """The objectives; what failed has none."""
        if evaluation.val_loss is None:
            return np.full(len(self._config.objectives), np.nan)
        return np.array([getattr(evaluation, name) for name in self._config.objectives], dtype=float)

    def _evaluation(self, architecture: Architecture, predicted: Mapping[str, Any], score: Score) -> Evaluation:
        return Evaluation(
            architecture=architecture.to_json(),
            digest=architecture.digest,
            fidelity="inherited",
            state=self._state(score),
            val_loss=score.val_loss,
            worker=score.worker,
            seconds=score.seconds,
            reason=score.reason,
            attempts=score.attempts,
            seen_share=score.share_seen if score.share_seen < 1.0 else None,
            **predicted,
        )

    def _state(self, score: Score) -> str:
        limit = self._config.constraints.get(SCORED)
        if score.state != "complete":
            return STATES[score.state]
        return "infeasible" if limit and score.val_loss is not None and score.val_loss > limit.max else "complete"

    def _seconds(self) -> float:
        return self._spent_seconds + time.monotonic() - self._started

    def _on_written(self) -> None:
        patiently(self._tell_progress, PATIENCE_SECONDS)

    def _tell_progress(self) -> None:
        self._ledger.add_facts(self._job_id, {"search_seconds": round(self._seconds(), 1)})
        self._ledger.set_progress(self._job_id, "search", self.scored, self._config.search.evaluations)
        if self.scored >= QUALITY_EVERY * self._quality_at:
            self.keep_quality()

    def keep_quality(self) -> Quality | None:
        """Write down how well the algorithm's own predictor foresaw scores so far, where it has one."""
        self._quality_at = max(1, self.scored)
        quality = self.algorithm.quality()
        if quality is not None:
            self._ledger.add_quality(
                self._job_id,
                QualityRow(
                    evaluations=self.scored,
                    held_out=quality.count,
                    kendall_tau=quality.kendall_tau,
                    error=quality.mean_absolute_error,
                    coverage=quality.coverage,
                ),
            )
        return quality


def _score(evaluation: Evaluation) -> Score:
    """What another job found out, as a worker would tell it."""
    return Score(evaluation.digest, evaluation.val_loss, evaluation.seconds or 0.0, evaluation.worker or "")
