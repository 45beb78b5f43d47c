"""A job's evaluations as points: numbers to draw by the ten thousand, without architectures, all or only the new."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import func, or_, select

from . import frames
from .tables import ArchitectureRow, EvaluationRow, FrontMemberRow
from .transactions import Transactions

# A query names its rows one by one, and SQLite takes 32766 names at most.
SEQS_AT_ONCE = 10_000


class PointLedger(Transactions):
    """The points of a ledger."""

    def points(self, job_id: str, fidelity: str | None = None, after_seq: int = 0) -> pd.DataFrame:
        """Every evaluation after `after_seq` in the order they came: what it is called, what it scored, what it costs.

        The columns are those of `frames.POINTS`; a number that is not known is NaN.
        """
        query = (
            select(*(getattr(EvaluationRow, name) for name in frames.POINTS))
            .where(EvaluationRow.job_id == job_id, EvaluationRow.seq > after_seq)
            .order_by(EvaluationRow.seq)
        )
        if fidelity is not None:
            query = query.where(EvaluationRow.fidelity == fidelity)
        with self._reading() as session:
            # The driver's own tuples: none of these columns is converted, and making rows of them takes as long again.
            cursor = session.connection().execute(query).cursor
            assert cursor is not None, "a query that selects has a cursor"
            rows = cursor.fetchall()
        return frames.frame(frames.POINTS, rows)

    def stays(self, job_id: str, after_seq: int = 0) -> pd.DataFrame:
        """Every stay on the job's fronts that began or ended after `after_seq`; `left_seq` is NA for who is there."""
        began, ended = FrontMemberRow.entered_seq > after_seq, FrontMemberRow.left_seq > after_seq
        query = (
            select(FrontMemberRow.fidelity, FrontMemberRow.entered_seq, FrontMemberRow.left_seq)
            .where(FrontMemberRow.job_id == job_id)
            .order_by(FrontMemberRow.fidelity, FrontMemberRow.entered_seq)
        )
        return self._frame(frames.STAYS, query.where(or_(began, ended)) if after_seq else query)

    def architectures(self, job_id: str, seqs: list[int]) -> pd.DataFrame:
        """Some of a job's evaluations by their numbers, in that order: the columns of `points`, and `architecture`."""
        assert len(seqs) <= SEQS_AT_ONCE, f"at most {SEQS_AT_ONCE} architectures at once; got {len(seqs)}"
        query = (
            select(*(getattr(EvaluationRow, name) for name in frames.POINTS), ArchitectureRow.architecture)
            .join(ArchitectureRow, ArchitectureRow.digest == EvaluationRow.digest)
            .where(EvaluationRow.job_id == job_id, EvaluationRow.seq.in_(seqs))
            .order_by(EvaluationRow.seq)
        )
        return self._frame(frames.ARCHITECTURES, query)

    def latest_seq(self, job_id: str) -> int:
        """The number of the job's last evaluation, 0 where there is none: one look into an index."""
        with self._reading() as session:
            return session.scalar(select(func.max(EvaluationRow.seq)).where(EvaluationRow.job_id == job_id)) or 0
