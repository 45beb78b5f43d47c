"""The search loop: ask, predict the cost, drop what is infeasible, score, record, tell.

Several batches are on their way at once and results are taken in the order of asking, so the same seed and the same
number of workers give the same search. That makes resuming simple: the loop runs again from the start, and what the
ledger already holds is looked up there instead of being scored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..db import Evaluation, Ledger
from ..evaluators.scoring import Score, ScoringPool
from ..latency_models import Prediction, Predictor
from ..search_space import SearchSpace
from .config import JobConfig
from .proposer import Proposal, Proposer
from .reporter import Reporter

BATCHES_PER_WORKER = 2
PROPOSALS_PER_EVALUATION = 200


@dataclass(frozen=True)
class Candidate:
    """A proposal that meets the constraints, with what it is predicted to cost."""

    proposal: Proposal
    prediction: Prediction

    @property
    def digest(self) -> str:
        return self.proposal.architecture.digest


@dataclass(frozen=True)
class _Batch:
    candidates: Sequence[Candidate]
    to_score: Sequence[Candidate]


class Search:
    """One job's search stage.

    `evaluations` holds everything scored so far by digest, from this run and those before it.
    """

    def __init__(
        self, config: JobConfig, space: SearchSpace, predictor: Predictor, ledger: Ledger, job_id: str
    ) -> None:
        self._config = config
        self._predictor = predictor
        self._ledger = ledger
        self._job_id = job_id
        self._proposer = Proposer(space, len(config.objectives), config.search, config.seed)
        self._recorded: Mapping[str, Evaluation] = ledger.recorded(job_id, "inherited")
        self.evaluations: dict[str, Evaluation] = {}
        self._claimed: set[str] = set()
        self.infeasible = 0
        self.exhausted = False

    def run(self, pool: ScoringPool, reporter: Reporter) -> None:
        """Score until the budget is spent or nothing new is proposed."""
        budget = self._config.search.evaluations
        depth = self._config.search.workers * BATCHES_PER_WORKER
        waiting: deque[_Batch] = deque()
        while True:
            while len(waiting) < depth and len(self._claimed) < budget and not self.exhausted:
                batch = self._propose(budget - len(self._claimed))
                waiting.append(batch)
                if batch.to_score:
                    pool.submit([candidate.proposal.architecture for candidate in batch.to_score])
            if not waiting:
                return
            batch = waiting.popleft()
            self._settle(batch, pool.next() if batch.to_score else [])
            reporter.progress(len(self.evaluations), budget, self._best())
            self._ledger.set_progress(self._job_id, "search", len(self.evaluations), budget)

    def _propose(self, left: int) -> _Batch:
        """Ask until a batch of new feasible architectures is full; known ones ride along to be told again."""
        candidates: list[Candidate] = []
        to_score: list[Candidate] = []
        new = asked = 0
        while new < min(self._config.search.batch_size, left):
            if asked == PROPOSALS_PER_EVALUATION * self._config.search.batch_size:
                self.exhausted = True
                break
            asked += 1
            proposal = self._proposer.ask()
            prediction = self._predictor.predict(proposal.architecture, self._config.workload)
            if not self._feasible(prediction):
                self.infeasible += 1
                self._proposer.reject(proposal)
                continue
            candidate = Candidate(proposal, prediction)
            candidates.append(candidate)
            if candidate.digest in self._claimed:
                continue
            new += 1
            self._claimed.add(candidate.digest)
            if candidate.digest not in self._recorded:
                to_score.append(candidate)
        return _Batch(candidates, to_score)

    def _feasible(self, prediction: Prediction) -> bool:
        return all(getattr(prediction, name) <= limit.max for name, limit in self._config.constraints.items())

    def _settle(self, batch: _Batch, scores: Sequence[Score]) -> None:
        """Record what is new in one transaction, then tell the proposer about the whole batch."""
        fresh = [_evaluation(candidate, score) for candidate, score in zip(batch.to_score, scores, strict=True)]
        if fresh:
            self._ledger.record(self._job_id, fresh, {c.digest: self._breakdown(c) for c in batch.to_score})
        known = {evaluation.digest: evaluation for evaluation in fresh}
        for candidate in batch.candidates:
            digest = candidate.digest
            evaluation = known.get(digest) or self.evaluations.get(digest) or self._recorded[digest]
            self.evaluations[digest] = evaluation
            if evaluation.state == "complete":
                values = [getattr(evaluation, name) for name in self._config.objectives]
                self._proposer.tell(candidate.proposal, values)
            else:
                self._proposer.reject(candidate.proposal)

    def _breakdown(self, candidate: Candidate) -> dict[str, list[dict]]:
        architecture = candidate.proposal.architecture
        return {
            workload.phase: self._predictor.breakdown(architecture, workload) for workload in self._config.workloads
        }

    def _best(self) -> str:
        losses = [e.val_loss for e in self.evaluations.values() if e.val_loss is not None]
        return f"best loss {min(losses):.3f} nats" if losses else ""


def _evaluation(candidate: Candidate, score: Score) -> Evaluation:
    prediction = candidate.prediction
    return Evaluation(
        architecture=candidate.proposal.architecture.to_json(),
        digest=candidate.digest,
        fidelity="inherited",
        state="complete" if score.reason is None else "failed",
        val_loss=score.val_loss,
        latency_ms=prediction.latency_ms,
        latency_low_ms=prediction.low_ms,
        latency_high_ms=prediction.high_ms,
        param_count=prediction.param_count,
        peak_memory_bytes=prediction.peak_memory_bytes,
        worker=score.worker,
        seconds=score.seconds,
        reason=score.reason,
    )
