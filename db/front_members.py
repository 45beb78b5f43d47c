"""The stored front: what each batch of evaluations changes, found from the current members alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, select, update
from sqlalchemy.orm import Session

from .columns import real
from .front import Front
from .rows import Evaluation
from .tables import EvaluationRow, FrontMemberRow


def same_evaluation() -> ColumnElement[bool]:
    """What joins a front member to its evaluation."""
    return and_(
        FrontMemberRow.job_id == EvaluationRow.job_id,
        FrontMemberRow.fidelity == EvaluationRow.fidelity,
        FrontMemberRow.digest == EvaluationRow.digest,
    )


def update_front(
    session: Session, job_id: str, fidelity: str, objectives: Sequence[str], numbered: Sequence[tuple[int, Evaluation]]
) -> int:
    """Offer each complete evaluation, in the order of its seq. Returns how many entered plus how many left."""
    front = _current(session, job_id, fidelity, objectives)
    entered: dict[str, int] = {}
    left: dict[str, int] = {}
    for seq, evaluation in numbered:
        if evaluation.state != "complete":
            continue
        displaced = front.offer(evaluation.digest, _point(evaluation, objectives))
        if displaced is not None:
            entered[evaluation.digest] = seq
            left.update(dict.fromkeys(displaced, seq))
    stay = {"job_id": job_id, "fidelity": fidelity}
    if entered:
        rows = [stay | {"digest": digest, "entered_seq": seq} for digest, seq in entered.items()]
        session.execute(insert(FrontMemberRow), rows)
    for digest, seq in left.items():
        session.execute(update(FrontMemberRow).filter_by(**stay, digest=digest).values(left_seq=seq))
    return len(entered) + len(left)


def _current(session: Session, job_id: str, fidelity: str, objectives: Sequence[str]) -> Front:
    columns = [getattr(EvaluationRow, name) for name in objectives]
    members = session.execute(
        select(EvaluationRow.digest, EvaluationRow.latency_measured_ms, *columns)
        .join(FrontMemberRow, same_evaluation())
        .where(FrontMemberRow.job_id == job_id, FrontMemberRow.fidelity == fidelity, FrontMemberRow.left_seq.is_(None))
        .order_by(FrontMemberRow.entered_seq)
    )
    return Front({row.digest: _known(_point(row, objectives)) for row in members})


def _point(row: Any, objectives: Sequence[str]) -> list[float | None]:
    """The objectives of an evaluation (or a row of one); a measured latency stands before a predicted one."""
    measured = real(row.latency_measured_ms)
    return [measured if name == "latency_ms" and measured is not None else getattr(row, name) for name in objectives]


def _known(point: list[float | None]) -> list[float]:
    assert None not in point, f"a front member with an objective that is not known: {point}"
    return [value for value in point if value is not None]
