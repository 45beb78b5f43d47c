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


def evaluation_query(job_id: str, *, architectures: bool = True) -> Select[Any]:
    """Evaluations of a job with the columns of `shown(frames.EVALUATIONS)`; `on_front` is as of now."""
    on_front: ColumnElement[bool] = and_(FrontMemberRow.entered_seq.is_not(None), FrontMemberRow.left_seq.is_(None))
    query = (
        select(*shown_columns(architectures=architectures), on_front.label("on_front"))
        .select_from(EvaluationRow)
        .join(FrontMemberRow, same_evaluation(), isouter=True)
        .where(EvaluationRow.job_id == job_id)
    )
    return query.join(ArchitectureRow, same_architecture()) if architectures else query


def shown(columns: frames.Columns, *, architectures: bool) -> frames.Columns:
    """The columns of a frame, with or without the architectures, which are most of what there is to read."""
    return columns if architectures else frames.without(columns, "architecture")


def shown_columns(*, architectures: bool) -> list[Any]:
    """The columns of an evaluation's own row, in the order of `frames.EVALUATIONS`, and of its architecture's."""
    stored: list[Any] = [getattr(EvaluationRow, name) for name in STORED]
    return [*stored, ArchitectureRow.architecture] if architectures else stored


def same_architecture() -> ColumnElement[bool]:
    """What joins an evaluation to its architecture."""
    return ArchitectureRow.digest == EvaluationRow.digest


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
