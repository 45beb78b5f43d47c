"""The reading of fronts: as they are, as they were, and how much they have gained."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from sqlalchemy import func, literal, or_, select

from ..errors import InputError
from . import frames
from .evaluation_rows import same_architecture, shown, shown_columns
from .front_members import entering_evaluation, every_stay
from .hypervolume import reference_of
from .hypervolume_gains import gains
from .tables import ArchitectureRow, EvaluationRow, FrontMemberRow
from .transactions import Transactions


class FrontLedger(Transactions):
    """The fronts of a ledger."""

    def front(
        self, job_id: str, fidelity: str = "inherited", at_seq: int | None = None, *, architectures: bool = True
    ) -> pd.DataFrame:
        """The non-dominated complete evaluations in the job's objectives, the fastest first.

        `latency_ms` as an objective is the measured latency where there is one. With `at_seq`, the front as it was when
        that evaluation had been written. `on_front` and `left_seq` are as of now. Without `architectures` that column
        is not there, and a large front in a large ledger takes a fraction of the time.
        """
        entered, left = FrontMemberRow.entered_seq, FrontMemberRow.left_seq
        on_front = literal(True) if at_seq is None else left.is_(None)
        latency = func.coalesce(EvaluationRow.latency_measured_ms, EvaluationRow.latency_ms)
        query = (
            select(*shown_columns(architectures=architectures), on_front, entered, left)
            .select_from(FrontMemberRow)
            .join(EvaluationRow, entering_evaluation())
            .where(FrontMemberRow.job_id == job_id, FrontMemberRow.fidelity == fidelity)
            .order_by(latency.is_(None), latency, EvaluationRow.seq)
        )
        if architectures:
            query = query.join(ArchitectureRow, same_architecture())
        was_there = [left.is_(None)] if at_seq is None else [entered <= at_seq, or_(left.is_(None), left > at_seq)]
        return self._frame(shown(frames.FRONT, architectures=architectures), query.where(*was_there))

    def front_history(self, job_id: str, fidelity: str = "inherited") -> pd.DataFrame:
        """Every stay on the front in the order of entering; `left_seq` is NA for who is still there."""
        query = (
            select(FrontMemberRow.digest, FrontMemberRow.entered_seq, FrontMemberRow.left_seq)
            .where(FrontMemberRow.job_id == job_id, FrontMemberRow.fidelity == fidelity)
            .order_by(FrontMemberRow.entered_seq)
        )
        return self._frame(frames.FRONT_HISTORY, query)

    def hypervolume(
        self, job_id: str, fidelity: str = "inherited", reference: Sequence[float] | None = None
    ) -> pd.DataFrame:
        """The hypervolume of the front after each evaluation that changed it: columns `seq` and `value`.

        What is measured is the space between the front and `reference`, a point in the order of the job's objectives;
        by default the worst finite value of each objective among all who ever were on the front. Exact, for up to four
        objectives; a member with an infinite objective adds nothing.

        Raises:
            InputError: no such job, a reference of another length, or more than four objectives.
        """
        with self._reading() as session:
            stays = every_stay(session, job_id, fidelity)
        if stays is None:
            raise InputError(f"job: must be in {self.url}; got {job_id!r}")
        worst = reference_of(stays.points, len(stays.objectives)) if reference is None else reference
        values = gains(stays.points, worst, stays.objectives)
        return frames.frame(frames.HYPERVOLUME, zip(stays.entered, values, strict=True))
