"""The one way evaluations enter the ledger: in batches, with the fronts and the job's counters they change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..errors import InputError
from .breakdowns import Breakdowns, write_breakdowns
from .columns import now, real
from .evaluation_rows import GIVEN, to_columns
from .front_members import FrontChange, stored_front, update_front
from .inserting import insert_all, insert_new
from .kept_fronts import Fronts, KeptFronts
from .patience import patiently
from .rows import DuplicateEvaluation, Evaluation
from .tables import ArchitectureRow, EvaluationRow, FrontMemberRow, JobRow
from .transactions import Transactions

T = TypeVar("T")

VARIABLES = 500  # of one IN (...), far under the least limit of an engine

Numbered = Sequence[tuple[int, Evaluation]]


class RecordingLedger(Transactions):
    """The writing of evaluations."""

    def __init__(self, engine: Engine, url: str, *, read_only: bool) -> None:
        super().__init__(engine, url, read_only=read_only)
        self._kept_fronts = KeptFronts()

    def record(
        self,
        job_id: str,
        evaluations: Sequence[Evaluation],
        breakdowns: Breakdowns | None = None,
        *,
        worker: str | None = None,
        patience_s: float = 0.0,
    ) -> int:
        """Write a batch in one transaction: architectures, evaluations in the order given, changes of the fronts.

        `breakdowns` are written with it, as `add_breakdowns` would. For `patience_s` it is tried again while the ledger
        is not available; a batch that was written by a try whose answer was lost is not written twice. Who says which
        `worker` of the queue it is writes only while no other has claimed the job.

        Returns:
            How many changes the fronts saw: points that entered plus points that left.

        Raises:
            DuplicateEvaluation: the job has one of the digests at that fidelity, or the batch has it twice. Nothing of
                the batch is written.
            InputError: there is no such job, or another worker has claimed it.
            LedgerUnavailable: the database did not answer, is locked or is full.
        """
        if not evaluations:
            return 0
        _refuse_repeated(job_id, evaluations)
        tries = 0

        def write() -> int:
            nonlocal tries
            tries += 1
            try:
                return self._write(job_id, evaluations, breakdowns or {}, worker)
            except IntegrityError:
                written = self._as_written(job_id, evaluations) if tries > 1 else None
                if written is None:
                    self._refuse_duplicates(job_id, evaluations)
                    raise
                return written

        return patiently(write, patience_s)

    def _write(self, job_id: str, evaluations: Sequence[Evaluation], breakdowns: Breakdowns, worker: str | None) -> int:
        with self._writing() as session:
            job = self._locked_job(session, job_id)
            if worker is not None and job.claimed_by not in (None, worker):
                raise InputError(f"worker: must hold the claim of job {job_id}, {job.claimed_by} does; got {worker!r}")
            fronts = self._kept_fronts.take(job_id, (job.created_at, job.evaluations))
            numbered = list(enumerate(evaluations, start=job.evaluations + 1))
            job.updated_at = now()
            _insert(session, job, numbered)
            changes = _change_fronts(session, job, fronts, numbered)
            _count(job, evaluations, changes.get("inherited"))
            write_breakdowns(session, job_id, breakdowns)
            stamp = (job.created_at, job.evaluations)
        self._kept_fronts.give_back(job_id, stamp, fronts)
        return sum(change.entered + change.left for change in changes.values())

    def _refuse_duplicates(self, job_id: str, evaluations: Sequence[Evaluation]) -> None:
        """Say which evaluation was there when the database refused a batch; looking before each would be in vain."""
        query = select(EvaluationRow.digest, EvaluationRow.fidelity).where(EvaluationRow.job_id == job_id)
        with self._reading() as session:
            there = {
                (row.digest, row.fidelity)
                for digests in chunks([one.digest for one in evaluations])
                for row in session.execute(query.where(EvaluationRow.digest.in_(digests)))
            }
        for one in evaluations:
            if (one.digest, one.fidelity) in there:
                raise _duplicate(job_id, one.digest, one.fidelity)

    def _as_written(self, job_id: str, evaluations: Sequence[Evaluation]) -> int | None:
        """The changes that this batch made to the fronts when it was written; None where another batch is there."""
        given = {(one.digest, one.fidelity): to_columns(one) for one in evaluations}
        query = select(EvaluationRow).where(EvaluationRow.job_id == job_id)
        with self._reading() as session:
            rows = [
                row
                for digests in chunks([one.digest for one in evaluations])
                for row in session.scalars(query.where(EvaluationRow.digest.in_(digests)))
                if (row.digest, row.fidelity) in given
            ]
            there = {(row.digest, row.fidelity): {name: getattr(row, name) for name in GIVEN} for row in rows}
            if there != given:
                return None
            seqs = [row.seq for row in rows]
            changes = (FrontMemberRow.entered_seq, FrontMemberRow.left_seq)
            counts = [
                select(func.count()).where(FrontMemberRow.job_id == job_id, at.between(min(seqs), max(seqs)))
                for at in changes
            ]
            return sum(session.scalar(count) or 0 for count in counts)


def _refuse_repeated(job_id: str, evaluations: Sequence[Evaluation]) -> None:
    given: set[tuple[str, str]] = set()
    for one in evaluations:
        if (one.digest, one.fidelity) in given:
            raise _duplicate(job_id, one.digest, one.fidelity)
        given.add((one.digest, one.fidelity))


def _duplicate(job_id: str, digest: str, fidelity: str) -> DuplicateEvaluation:
    return DuplicateEvaluation(f"job {job_id}: each digest once per fidelity; got {digest!r} {fidelity} again")


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), VARIABLES):
        yield values[start : start + VARIABLES]


def _insert(session: Session, job: JobRow, numbered: Numbered) -> None:
    architectures = {evaluation.digest: evaluation.architecture for _, evaluation in numbered}
    # Always in the same order: two jobs' writers that meet at the same architectures then wait and do not deadlock.
    rows = [{"digest": digest, "architecture": architectures[digest]} for digest in sorted(architectures)]
    insert_new(session, ArchitectureRow, rows)
    own: dict[str, Any] = {"job_id": job.id, "created_at": job.updated_at}
    insert_all(session, EvaluationRow, [{**own, "seq": seq} | to_columns(e) for seq, e in numbered])


def _change_fronts(session: Session, job: JobRow, fronts: Fronts, numbered: Numbered) -> dict[str, FrontChange]:
    changes = {}
    for fidelity in sorted({evaluation.fidelity for _, evaluation in numbered}):
        if fidelity not in fronts:
            fronts[fidelity] = stored_front(session, job.id, fidelity, job.objectives)
        changes[fidelity] = update_front(session, job.id, fidelity, job.objectives, fronts[fidelity], numbered)
    return changes


def _count(job: JobRow, evaluations: Sequence[Evaluation], inherited: FrontChange | None) -> None:
    job.evaluations += len(evaluations)
    job.failed += sum(evaluation.state == "failed" for evaluation in evaluations)
    if inherited is not None:
        job.front_size += inherited.entered - inherited.left
    losses = [job.best_val_loss, *(real(e.val_loss) for e in evaluations if e.state == "complete")]
    job.best_val_loss = min((loss for loss in losses if loss is not None), default=None)
