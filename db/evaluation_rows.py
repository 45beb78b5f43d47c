"""Evaluations as values, as rows to insert and as rows of a query."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select

from . import frames
from .columns import real, storable, whole
from .front_members import same_evaluation
from .rows import Evaluation
from .tables import ArchitectureRow, EvaluationRow, FrontMemberRow

STORED = [name for name in frames.EVALUATIONS if name not in ("architecture", "on_front")]
GIVEN = [name for name in STORED if name not in ("seq", "created_at")]

_WHOLE = ("param_count", "peak_memory_bytes", "attempts")
_TEXT = ("digest", "fidelity", "state", "worker", "reason", "weights_path")


def evaluation_query(job_id: str) -> Select[Any]:
    """Evaluations of a job with the columns of `frames.EVALUATIONS`; `on_front` is as of now."""
    on_front: ColumnElement[bool] = and_(FrontMemberRow.entered_seq.is_not(None), FrontMemberRow.left_seq.is_(None))
    return (
        select(*stored_columns(), ArchitectureRow.architecture, on_front.label("on_front"))
        .join(ArchitectureRow, ArchitectureRow.digest == EvaluationRow.digest)
        .join(FrontMemberRow, same_evaluation(), isouter=True)
        .where(EvaluationRow.job_id == job_id)
    )


def stored_columns() -> list[Any]:
    """The columns of an evaluation's own row, in the order of `frames.EVALUATIONS`."""
    return [getattr(EvaluationRow, name) for name in STORED]


def to_columns(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation's own columns, as plain values a driver takes."""
    return {name: _plain(name, getattr(evaluation, name)) for name in GIVEN}


def _plain(name: str, value: Any) -> Any:
    if name in _TEXT:
        return storable(value)
    if name in _WHOLE:
        return whole(value)
    if name == "extrapolates":
        return None if value is None else bool(value)
    return real(value)


def to_evaluation(row: Any) -> Evaluation:
    """The evaluation of a row of `evaluation_query`."""
    return Evaluation(architecture=row.architecture, **{name: getattr(row, name) for name in GIVEN})
