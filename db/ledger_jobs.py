"""Jobs in the ledger: created, moved through states and stages, found by the beginning of an id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from ..errors import InputError
from . import frames
from .columns import now
from .rows import Job
from .tables import JobRow
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
        priority: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Job:
        """Write a new job, queued before its first stage. Its front minimises `objectives`.

        Without a `priority` it is the caller's to run; with one it waits for who claims it, the highest first.

        Raises:
            InputError: the id is empty or taken, or an objective is unknown, missing or named twice.
        """
        if not job_id:
            raise InputError("job: its id must not be empty; got ''")
        if not objectives or len(set(objectives)) < len(objectives) or not set(objectives) <= set(OBJECTIVES):
            raise InputError(f"objectives: some of {', '.join(OBJECTIVES)}, each once; got {list(objectives)!r}")
        taken = InputError(f"job: its id must be new to {self.url}; got {job_id!r}")
        try:
            with self._writing() as session:
                if session.get(JobRow, job_id) is not None:
                    raise taken
                created = now()
                session.add(
                    JobRow(
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
                        facts=dict(facts or {}),
                        priority=priority,
                        created_at=created,
                        updated_at=created,
                    )
                )
        except IntegrityError:  # another process was quicker
            raise taken from None
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
                return to_job(row)
            rows = list(session.scalars(begins.limit(SHOWN_MATCHES))) if prefix else []
            if len(rows) == 1:
                return to_job(rows[0])
            ids = [row.id for row in rows]
        if not ids:
            raise InputError(f"job: must be the beginning of a job's id in {self.url}; got {prefix!r}")
        raise InputError(f"job: several ids begin so ({', '.join(ids)}), give more of one; got {prefix!r}")

    def jobs(self) -> pd.DataFrame:
        """Every job, the newest first.

        `evaluations` counts every row at any fidelity, `failed` those that failed, `front_size` the front of inherited
        weights, and `best_val_loss` is the least of any complete evaluation (NaN where there is none).
        """
        query = select(*(getattr(JobRow, name) for name in frames.JOBS))
        return self._frame(frames.JOBS, query.order_by(JobRow.created_at.desc(), JobRow.id.desc()))

    def set_state(self, job_id: str, state: str, *, error: str | None = None, worker: str | None = None) -> None:
        """Move a job to a state. `error` takes the place of what was there, so a resumed job shows none.

        Who says which `worker` of the queue it is moves nothing once another has claimed the job.
        """
        assert state in JOB_STATES, f"state: one of {JOB_STATES}; got {state!r}"
        with self._writing() as session:
            row = self._locked_job(session, job_id)
            if worker is None or row.claimed_by in (None, worker):
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


def to_job(row: JobRow) -> Job:
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
        priority=row.priority,
        claimed_by=row.claimed_by,
        lease_until=row.lease_until,
        attempts=row.attempts,
        evaluations=row.evaluations,
        stop_asked=row.stop_asked,
    )
