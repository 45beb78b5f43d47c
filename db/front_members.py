"""The stored front: what each batch of evaluations changes in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, select, update
from sqlalchemy.orm import Session

from .columns import real
from .front import Front
from .inserting import insert_all
from .rows import Evaluation
from .tables import EvaluationRow, FrontMemberRow, JobRow


@dataclass(frozen=True)
class FrontChange:
    """How many entered a front and how many left it; who did both counts in both."""

    entered: int
    left: int


def same_evaluation() -> ColumnElement[bool]:
    """What joins a front member to its evaluation."""
    return and_(
        FrontMemberRow.job_id == EvaluationRow.job_id,
        FrontMemberRow.fidelity == EvaluationRow.fidelity,
        FrontMemberRow.digest == EvaluationRow.digest,
    )


def entering_evaluation() -> ColumnElement[bool]:
    """The same by its place in the job, where fewer pages hold what a whole front needs than by digest."""
    return and_(FrontMemberRow.job_id == EvaluationRow.job_id, FrontMemberRow.entered_seq == EvaluationRow.seq)


@dataclass(frozen=True)
class Stays:
    """Every stay on a front in the order of entering: when it began and ended, and its values of the objectives."""

    objectives: list[str]
    entered: list[int]
    left: list[int | None]
    points: list[list[float]]


def every_stay(session: Session, job_id: str, fidelity: str) -> Stays | None:
    """The stays on the front of a job; None where there is no such job."""
    objectives = session.scalar(select(JobRow.objectives).where(JobRow.id == job_id))
    if objectives is None:
        return None
    columns = [getattr(EvaluationRow, name) for name in objectives]
    stays = session.execute(
        select(FrontMemberRow.entered_seq, FrontMemberRow.left_seq, EvaluationRow.latency_measured_ms, *columns)
        .join(EvaluationRow, entering_evaluation())
        .where(FrontMemberRow.job_id == job_id, FrontMemberRow.fidelity == fidelity)
        .order_by(FrontMemberRow.entered_seq)
    ).all()
    return Stays(
        objectives,
        [stay.entered_seq for stay in stays],
        [stay.left_seq for stay in stays],
        [known(objective_values(stay, objectives)) for stay in stays],
    )


def stored_front(session: Session, job_id: str, fidelity: str, objectives: Sequence[str]) -> Front:
    """The current front of a job, read from its members."""
    columns = [getattr(EvaluationRow, name) for name in objectives]
    members = session.execute(
        select(EvaluationRow.digest, EvaluationRow.latency_measured_ms, *columns)
        .join(FrontMemberRow, entering_evaluation())
        .where(FrontMemberRow.job_id == job_id, FrontMemberRow.fidelity == fidelity, FrontMemberRow.left_seq.is_(None))
        .order_by(FrontMemberRow.entered_seq)
    )
    return Front({row.digest: known(objective_values(row, objectives)) for row in members})


def update_front(
    session: Session,
    job_id: str,
    fidelity: str,
    objectives: Sequence[str],
    front: Front,
    numbered: Sequence[tuple[int, Evaluation]],
) -> FrontChange:
    """Offer each complete evaluation of that fidelity to the front, in the order of its seq, and store what changed."""
    entered: dict[str, int] = {}
    left: dict[str, int] = {}
    for seq, evaluation in numbered:
        if evaluation.state == "complete" and evaluation.fidelity == fidelity:
            displaced = front.offer(evaluation.digest, objective_values(evaluation, objectives))
            if displaced is not None:
                entered[evaluation.digest] = seq
                left.update(dict.fromkeys(displaced, seq))
    _store(session, {"job_id": job_id, "fidelity": fidelity}, entered, left)
    return FrontChange(len(entered), len(left))


def _store(session: Session, stay: dict[str, str], entered: dict[str, int], left: dict[str, int]) -> None:
    rows = [
        {**stay, "digest": digest, "entered_seq": seq, "left_seq": left.get(digest)} for digest, seq in entered.items()
    ]
    insert_all(session, FrontMemberRow, rows)
    gone = [{"gone": digest, "at": seq} for digest, seq in left.items() if digest not in entered]
    if gone:
        same = [getattr(FrontMemberRow, name) == value for name, value in stay.items()]
        leave = update(FrontMemberRow).where(*same, FrontMemberRow.digest == bindparam("gone"))
        session.connection().execute(leave.values(left_seq=bindparam("at")), gone)


def objective_values(row: Any, objectives: Sequence[str]) -> list[float | None]:
    """The objectives of an evaluation (or a row of one); a measured latency stands before a predicted one."""
    measured = real(row.latency_measured_ms)
    return [measured if name == "latency_ms" and measured is not None else getattr(row, name) for name in objectives]


def known(point: list[float | None]) -> list[float]:
    """A front member's point, whose objectives are all known."""
    assert None not in point, f"a front member with an objective that is not known: {point}"
    return [value for value in point if value is not None]
