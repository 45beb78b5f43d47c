"""How a job gets on: when what was written, who works, what goes wrong, how its hypervolume grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Integer, case, func, select

from ..errors import InputError
from . import frames
from .front_members import Stays, every_stay
from .hypervolume import dominated_volume, reference_of
from .ledger_recording import chunks
from .tables import EvaluationRow
from .transactions import Transactions

UNSUCCESSFUL = ("failed", "infeasible", "hopeless")


class ProgressLedger(Transactions):
    """The progress of a ledger's jobs."""

    def evaluation_times(self, job_id: str, seqs: Sequence[int]) -> pd.DataFrame:
        """When these evaluations of a job were written, in their order; a number that there is not is left out."""
        query = select(EvaluationRow.seq, EvaluationRow.fidelity, EvaluationRow.created_at)
        own = query.where(EvaluationRow.job_id == job_id).order_by(EvaluationRow.seq)
        with self._reading() as session:
            rows = [
                row
                for part in chunks(sorted({int(seq) for seq in seqs}))
                for row in session.execute(own.where(EvaluationRow.seq.in_(part))).all()
            ]
        return frames.frame(frames.EVALUATION_TIMES, rows)

    def workers(self, job_id: str, lately: int = 500) -> pd.DataFrame:
        """Who scored the last `lately` evaluations of a job: how many, how many failed, mean seconds, when last."""
        newest = select(func.max(EvaluationRow.seq)).where(EvaluationRow.job_id == job_id).scalar_subquery()
        failed = func.sum(case((EvaluationRow.state == "failed", 1), else_=0)).cast(Integer)
        seconds, last = func.avg(EvaluationRow.seconds), func.max(EvaluationRow.created_at)
        query = (
            select(EvaluationRow.worker, func.count(), failed, seconds, last)
            .where(EvaluationRow.job_id == job_id, EvaluationRow.seq > newest - lately)
            .where(EvaluationRow.worker.is_not(None))
            .group_by(EvaluationRow.worker)
        )
        return self._frame(frames.WORKERS, query.order_by(EvaluationRow.worker))

    def reasons(self, job_id: str, lately: int = 1000) -> pd.DataFrame:
        """Why evaluations did not complete: of the last `lately` in each such state, each reason with its count.

        The most frequent come first. `last_seq` is the latest evaluation that gave the reason.
        """
        own = select(EvaluationRow.state, EvaluationRow.reason, EvaluationRow.seq)
        own = own.where(EvaluationRow.job_id == job_id).order_by(EvaluationRow.seq.desc()).limit(lately)
        found: list[Any] = []
        with self._reading() as session:
            for state in UNSUCCESSFUL:
                newest = own.where(EvaluationRow.state == state).subquery().c
                query = select(newest.state, newest.reason, func.count(), func.max(newest.seq))
                found += session.execute(query.group_by(newest.state, newest.reason)).all()
        return frames.frame(frames.REASONS, sorted(found, key=lambda row: (-row[2], -row[3])))

    def hypervolume_sampled(self, job_id: str, most: int = 200, fidelity: str = "inherited") -> pd.DataFrame:
        """`hypervolume` after at most `most` of the evaluations that changed the front, the first and last among them.

        The same values, as exact and of the same reference, of any number of objectives; a long history costs no more
        than a short one.

        Raises:
            InputError: no such job.
        """
        with self._reading() as session:
            stays = every_stay(session, job_id, fidelity)
        if stays is None:
            raise InputError(f"job: must be in {self.url}; got {job_id!r}")
        return frames.frame(frames.HYPERVOLUME, _volumes(stays, most) if stays.points else [])


def _volumes(stays: Stays, most: int) -> list[tuple[int, float]]:
    corner, values = reference_of(stays.points, len(stays.objectives)), np.array(stays.points)
    entered = np.array(stays.entered)
    left = np.array([np.inf if seq is None else seq for seq in stays.left])
    sampled = entered[np.unique(np.linspace(0, len(entered) - 1, most).round().astype(int))]
    return [(int(seq), dominated_volume(values[(entered <= seq) & (left > seq)], corner)) for seq in sampled]
