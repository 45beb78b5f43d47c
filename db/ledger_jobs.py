"""Jobs in the ledger: created, moved through states and stages, found by the beginning of an id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Select, case, func, select

from ..errors import InputError
from . import frames
from .columns import now
from .rows import Job
from .tables import EvaluationRow, FrontMemberRow, JobRow
from .transactions import Transactions
from .words import JOB_STATES, OBJECTIVES, STAGES

SHOWN_MATCHES = 5


class JobLedger(Transactions):
    """The jobs of a ledger."""

    def create_job(
        self,
        *,
        job_id: str,
        name: str,
        config: Mapping[str, Any],
        space: Mapping[str, Any],
        run_dir: str,
        objectives: Sequence[str],
    ) -> Job:
        """Write a new job, queued before its first stage. Its front minimises `objectives`.

        Raises:
            InputError: the id is empty or taken, or an objective is unknown, missing or named twice.
        """
        if not job_id:
            raise InputError("job: its id must not be empty; got ''")
        if not objectives or len(set(objectives)) < len(objectives) or not set(objectives) <= set(OBJECTIVES):
            raise InputError(f"objectives: some of {', '.join(OBJECTIVES)}, each once; got {list(objectives)!r}")
        with self._writing() as session:
            if session.get(JobRow, job_id) is not None:
                raise InputError(f"job: its id must be new to {self.url}; got {job_id!r}")
            row = JobRow(
                id=job_id,
                name=name,
                state="queued",
                stage="profile",
                done=0,
                total=0,
                config=dict(config),
                space=dict(space),
                objectives=list(objectives),
                run_dir=run_dir,
                facts={},
                created_at=(created := now()),
                updated_at=created,
            )
            session.add(row)
        return self.job(job_id)

    def job(self, prefix: str) -> Job:
        """The job of this id, or the one job whose id begins so.

        Raises:
            InputError: no job's id, or several jobs' ids, begin so.
        """
        begins = select(JobRow).where(func.substr(JobRow.id, 1, len(prefix)) == prefix).order_by(JobRow.id)
        with self._reading() as session:
            row = session.get(JobRow, prefix)
            if row is not None:
                return _job(row)
            rows = list(session.scalars(begins.limit(SHOWN_MATCHES))) if prefix else []
            if len(rows) == 1:
                return _job(rows[0])
            ids = [row.id for row in rows]
        if not ids:
            raise InputError(f"job: must be the beginning of a job's id in {self.url}; got {prefix!r}")
        raise InputError(f"job: several ids begin so ({', '.join(ids)}), give more of one; got {prefix!r}")

    def jobs(self) -> pd.DataFrame:
        """Every job, the newest first.

        `evaluations` counts every row at any fidelity, `failed` those that failed, `front_size` the front of inherited
        weights, and `best_val_loss` is the least of any complete evaluation (NaN where there is none).
        """
        with self._reading() as session:
            rows = session.execute(_job_list()).all()
        return frames.frame(frames.JOBS, rows)

    def set_state(self, job_id: str, state: str, *, error: str | None = None) -> None:
        """Move a job to a state. `error` takes the place of what was there, so a resumed job shows none."""
        assert state in JOB_STATES, f"state: one of {JOB_STATES}; got {state!r}"
        with self._writing() as session:
            row = self._locked_job(session, job_id)
            row.state, row.error, row.updated_at = state, error, now()

    def set_progress(self, job_id: str, stage: str, done: int, total: int) -> None:
        """Say that `done` of `total` steps of a stage are behind a job."""
        assert stage in STAGES, f"stage: one of {STAGES}; got {stage!r}"
        with self._writing() as session:
            row = self._locked_job(session, job_id)
            row.stage, row.done, row.total, row.updated_at = stage, int(done), int(total), now()

    def add_facts(self, job_id: str, facts: Mapping[str, Any]) -> None:
        """Merge into a job's facts; a key that is there is replaced whole."""
        with self._writing() as session:
            row = self._locked_job(session, job_id)
            row.facts = {**row.facts, **facts}
            row.updated_at = now()


def _job_list() -> Select[Any]:
    counts = (
        select(
            EvaluationRow.job_id,
            func.count().label("evaluations"),
            func.sum(case((EvaluationRow.state == "failed", 1), else_=0)).label("failed"),
            func.min(case((EvaluationRow.state == "complete", EvaluationRow.val_loss))).label("best_val_loss"),
        )
        .group_by(EvaluationRow.job_id)
        .subquery()
    )
    fronts = (
        select(FrontMemberRow.job_id, func.count().label("front_size"))
        .where(FrontMemberRow.fidelity == "inherited", FrontMemberRow.left_seq.is_(None))
        .group_by(FrontMemberRow.job_id)
        .subquery()
    )
    return (
        select(
            JobRow.id,
            JobRow.name,
            JobRow.state,
            JobRow.stage,
            JobRow.done,
            JobRow.total,
            func.coalesce(counts.c.evaluations, 0),
            func.coalesce(counts.c.failed, 0),
            func.coalesce(fronts.c.front_size, 0),
            counts.c.best_val_loss,
            JobRow.created_at,
            JobRow.updated_at,
        )
        .join(counts, counts.c.job_id == JobRow.id, isouter=True)
        .join(fronts, fronts.c.job_id == JobRow.id, isouter=True)
        .order_by(JobRow.created_at.desc(), JobRow.id.desc())
    )


def _job(row: JobRow) -> Job:
    return Job(
        id=row.id,
        name=row.name,
        state=row.state,
        stage=row.stage,
        done=row.done,
        total=row.total,
        config=row.config,
        space=row.space,
        objectives=tuple(row.objectives),
        run_dir=row.run_dir,
        facts=row.facts,
        error=row.error,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
