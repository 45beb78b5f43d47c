"""Evaluations in the ledger, and the fronts that change with every batch of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Select, and_, case, func, insert, or_, select
from sqlalchemy.orm import Session

from ..errors import InputError
from . import frames
from .breakdowns import Breakdowns, write_breakdowns
from .columns import now, real, whole
from .front_members import same_evaluation, update_front
from .rows import DuplicateEvaluation, Evaluation
from .tables import ArchitectureRow, EvaluationRow, FrontMemberRow
from .transactions import Transactions

SHOWN_MATCHES = 5
VARIABLES = 500  # of one IN (...), far under the least limit of an engine

_STORED = [name for name in frames.EVALUATIONS if name not in ("architecture", "on_front")]
_GIVEN = [name for name in _STORED if name not in ("seq", "created_at")]
_WHOLE = ("param_count", "peak_memory_bytes")
_TEXT = ("digest", "fidelity", "state", "worker", "reason", "weights_path")


class EvaluationLedger(Transactions):
    """The evaluations of a ledger."""

    def record(self, job_id: str, evaluations: Sequence[Evaluation], breakdowns: Breakdowns | None = None) -> int:
        """Write a batch in one transaction: architectures, evaluations in the order given, changes of the fronts.

        `breakdowns` are written with it, as `add_breakdowns` would.

        Returns:
            How many changes the fronts saw: points that entered plus points that left.

        Raises:
            DuplicateEvaluation: the job has one of the digests at that fidelity, or the batch has it twice. Nothing of
                the batch is written.
            InputError: there is no such job.
        """
        if not evaluations:
            return 0
        with self._writing() as session:
            job = self._locked_job(session, job_id)
            _refuse_duplicates(session, job_id, evaluations)
            _add_architectures(session, evaluations)
            last = session.scalar(select(func.max(EvaluationRow.seq)).where(EvaluationRow.job_id == job_id))
            numbered = list(enumerate(evaluations, start=(last or 0) + 1))
            job.updated_at = now()
            session.execute(
                insert(EvaluationRow),
                [{"job_id": job_id, "seq": seq, "created_at": job.updated_at} | _values(e) for seq, e in numbered],
            )
            fidelities = sorted({evaluation.fidelity for evaluation in evaluations})
            changes = sum(
                update_front(
                    session, job_id, fidelity, job.objectives, [n for n in numbered if n[1].fidelity == fidelity]
                )
                for fidelity in fidelities
            )
            write_breakdowns(session, job_id, breakdowns or {})
            return changes

    def evaluations(self, job_id: str, fidelity: str | None = None) -> pd.DataFrame:
        """Every evaluation of a job in the order they came, at one fidelity or all; `on_front` is as of now."""
        query = _rows(job_id).order_by(EvaluationRow.seq)
        if fidelity is not None:
            query = query.where(EvaluationRow.fidelity == fidelity)
        with self._reading() as session:
            rows = session.execute(query).all()
        return frames.frame(frames.EVALUATIONS, rows)

    def evaluation(self, job_id: str, digest_prefix: str, fidelity: str | None = None) -> Evaluation:
        """The evaluation of the architecture whose digest begins so.

        Without a fidelity, the best there is: a complete evaluation before any other, fine-tuned before inherited.

        Raises:
            InputError: none or several of the job's architectures match.
        """
        query = _rows(job_id).where(func.substr(EvaluationRow.digest, 1, len(digest_prefix)) == digest_prefix)
        if fidelity is not None:
            query = query.where(EvaluationRow.fidelity == fidelity)
        best = (
            case((EvaluationRow.state == "complete", 0), else_=1),
            case((EvaluationRow.fidelity == "finetuned", 0), else_=1),
        )
        with self._reading() as session:
            rows = session.execute(query.order_by(EvaluationRow.digest, *best).limit(2 * SHOWN_MATCHES)).all()
        digests = list(dict.fromkeys(row.digest for row in rows))
        if not digest_prefix or not digests:
            among = f" at fidelity {fidelity}" if fidelity else ""
            raise InputError(
                f"architecture: must be the beginning of a digest that job {job_id} evaluated{among}; "
                f"got {digest_prefix!r}"
            )
        if len(digests) > 1:
            shown = ", ".join(digests[:SHOWN_MATCHES])
            raise InputError(
                f"architecture: several digests begin so ({shown}), give more of one; got {digest_prefix!r}"
            )
        return _evaluation(rows[0])

    def recorded(self, job_id: str, fidelity: str) -> dict[str, Evaluation]:
        """Every evaluation of a job at a fidelity by digest, in the order they came."""
        query = _rows(job_id).where(EvaluationRow.fidelity == fidelity).order_by(EvaluationRow.seq)
        with self._reading() as session:
            rows = session.execute(query).all()
        return {row.digest: _evaluation(row) for row in rows}

    def front(self, job_id: str, fidelity: str = "inherited", at_seq: int | None = None) -> pd.DataFrame:
        """The non-dominated complete evaluations in the job's objectives, the fastest first.

        `latency_ms` as an objective is the measured latency where there is one. With `at_seq`, the front as it was when
        that evaluation had been written. `on_front` and `left_seq` are as of now.
        """
        query = _rows(job_id, FrontMemberRow.entered_seq, FrontMemberRow.left_seq).where(
            EvaluationRow.fidelity == fidelity, FrontMemberRow.entered_seq.is_not(None)
        )
        if at_seq is None:
            query = query.where(FrontMemberRow.left_seq.is_(None))
        else:
            query = query.where(
                FrontMemberRow.entered_seq <= at_seq,
                or_(FrontMemberRow.left_seq.is_(None), FrontMemberRow.left_seq > at_seq),
            )
        latency = func.coalesce(EvaluationRow.latency_measured_ms, EvaluationRow.latency_ms)
        with self._reading() as session:
            rows = session.execute(query.order_by(latency.is_(None), latency, EvaluationRow.seq)).all()
        return frames.frame(frames.FRONT, rows)

    def front_history(self, job_id: str, fidelity: str = "inherited") -> pd.DataFrame:
        """Every stay on the front in the order of entering; `left_seq` is NA for who is still there."""
        query = (
            select(FrontMemberRow.digest, FrontMemberRow.entered_seq, FrontMemberRow.left_seq)
            .where(FrontMemberRow.job_id == job_id, FrontMemberRow.fidelity == fidelity)
            .order_by(FrontMemberRow.entered_seq)
        )
        with self._reading() as session:
            rows = session.execute(query).all()
        return frames.frame(frames.FRONT_HISTORY, rows)


def _rows(job_id: str, *more: Any) -> Select[Any]:
    """Evaluations of a job with the columns of `frames.EVALUATIONS`, then `more`."""
    on_front: ColumnElement[bool] = and_(FrontMemberRow.entered_seq.is_not(None), FrontMemberRow.left_seq.is_(None))
    stored = [getattr(EvaluationRow, name) for name in _STORED]
    return (
        select(*stored, ArchitectureRow.architecture, on_front.label("on_front"), *more)
        .join(ArchitectureRow, ArchitectureRow.digest == EvaluationRow.digest)
        .join(FrontMemberRow, same_evaluation(), isouter=True)
        .where(EvaluationRow.job_id == job_id)
    )


def _values(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation's own columns, as plain values a driver takes."""
    values: dict[str, Any] = {name: getattr(evaluation, name) for name in _GIVEN}
    return {
        name: value if name in _TEXT else whole(value) if name in _WHOLE else real(value)
        for name, value in values.items()
    }


def _evaluation(row: Any) -> Evaluation:
    return Evaluation(architecture=row.architecture, **{name: getattr(row, name) for name in _GIVEN})


def _chunks(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(digests), VARIABLES):
        yield digests[start : start + VARIABLES]


def _refuse_duplicates(session: Session, job_id: str, evaluations: Sequence[Evaluation]) -> None:
    pairs = [(evaluation.digest, evaluation.fidelity) for evaluation in evaluations]
    known: set[tuple[str, str]] = set()
    for digests in _chunks([digest for digest, _ in pairs]):
        query = select(EvaluationRow.digest, EvaluationRow.fidelity).where(
            EvaluationRow.job_id == job_id, EvaluationRow.digest.in_(digests)
        )
        known.update((row.digest, row.fidelity) for row in session.execute(query))
    for digest, fidelity in pairs:
        if (digest, fidelity) in known:
            raise DuplicateEvaluation(f"job {job_id}: each digest once per fidelity; got {digest!r} {fidelity} again")
        known.add((digest, fidelity))


def _add_architectures(session: Session, evaluations: Sequence[Evaluation]) -> None:
    new = {evaluation.digest: evaluation.architecture for evaluation in evaluations}
    for digests in _chunks(list(new)):
        for digest in session.scalars(select(ArchitectureRow.digest).where(ArchitectureRow.digest.in_(digests))):
            del new[digest]
    if new:
        rows = [{"digest": digest, "architecture": architecture} for digest, architecture in new.items()]
        session.execute(insert(ArchitectureRow), rows)
