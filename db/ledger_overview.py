"""Where jobs and devices stand, asked so that no question reads all the evaluations of a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import and_, func, select

from ..errors import InputError
from . import frames
from .ledger_recording import chunks
from .tables import CurveRow, EvaluationRow, EventRow, FrontMemberRow, JobRow, MeasurementRow, NodeRow, QualityRow
from .transactions import Transactions

_OF_THE_ROW = ("state", "run_dir", "updated_at", "evaluations", "front_size", "best_val_loss")


@dataclass(frozen=True)
class Standing:
    """Where a job stands: what changes when something is written to it. Zero where there is nothing yet.

    `front_changed_at` is the `seq` that entered the front of inherited weights last, `last_event` an id, `last_step`
    of the training curve, `predictor_at` how many evaluations the quality predictor knew when it was judged last.
    `nodes` counts all that its cluster ever had, `nodes_gone` those that left.
    """

    state: str
    run_dir: str
    updated_at: datetime
    evaluations: int
    front_size: int
    best_val_loss: float | None
    front_changed_at: int
    last_event: int
    last_step: int
    predictor_at: int
    nodes: int
    nodes_gone: int


class OverviewLedger(Transactions):
    """The overviews of a ledger."""

    def newest_change(self) -> tuple[int, datetime | None]:
        """How many jobs there are, and when one of them was last written to."""
        with self._reading() as session:
            number, newest = session.execute(select(func.count(JobRow.id), func.max(JobRow.updated_at))).one()
        return number, newest

    def standing(self, job_id: str) -> Standing:
        """Where a job stands. Raises InputError where there is no such job."""
        own = FrontMemberRow.job_id == job_id, FrontMemberRow.fidelity == "inherited"
        last = (
            select(func.max(FrontMemberRow.entered_seq)).where(*own),
            select(func.max(EventRow.id)).where(EventRow.job_id == job_id),
            select(func.max(CurveRow.step)).where(CurveRow.job_id == job_id),
            select(func.max(QualityRow.evaluations)).where(QualityRow.job_id == job_id),
            select(func.count(NodeRow.node_id)).where(NodeRow.job_id == job_id),
            select(func.count(NodeRow.left_at)).where(NodeRow.job_id == job_id),
        )
        columns = [getattr(JobRow, name) for name in _OF_THE_ROW]
        query = select(*columns, *(func.coalesce(one.scalar_subquery(), 0) for one in last))
        with self._reading() as session:
            row = session.execute(query.where(JobRow.id == job_id)).one_or_none()
        if row is None:
            raise InputError(f"job: must be in {self.url}; got {job_id!r}")
        return Standing(*row)

    def front_changes(self) -> dict[str, int]:
        """For each job the `seq` that entered its front of inherited weights last; 0 where none has."""
        of_job = and_(FrontMemberRow.job_id == JobRow.id, FrontMemberRow.fidelity == "inherited")
        last = select(func.max(FrontMemberRow.entered_seq)).where(of_job).scalar_subquery()
        with self._reading() as session:
            return {job_id: seq or 0 for job_id, seq in session.execute(select(JobRow.id, last))}

    def state_counts(self, job_ids: Sequence[str]) -> pd.DataFrame:
        """How many evaluations of each job, at any fidelity, are in each state; no row where there are none."""
        query = select(EvaluationRow.job_id, EvaluationRow.state, func.count())
        grouped = query.group_by(EvaluationRow.job_id, EvaluationRow.state)
        with self._reading() as session:
            rows = [
                tuple(row)
                for part in chunks(job_ids)
                for row in session.execute(grouped.where(EvaluationRow.job_id.in_(part))).all()
            ]
        return frames.frame(frames.STATE_COUNTS, sorted(rows))

    def kernel_families(self) -> pd.DataFrame:
        """For each device and kernel family: how many calls were measured, and their summed medians and spreads."""
        query = select(
            MeasurementRow.device,
            MeasurementRow.family,
            func.count(),
            func.sum(MeasurementRow.median_us),
            func.sum(MeasurementRow.spread_us),
        ).group_by(MeasurementRow.device, MeasurementRow.family)
        return self._frame(frames.KERNEL_FAMILIES, query.order_by(MeasurementRow.device, MeasurementRow.family))
