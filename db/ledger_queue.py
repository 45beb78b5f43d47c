"""The queue of jobs: who may run one, until when, and how an abandoned one is picked up. Times are the database's."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from ..errors import InputError
from .columns import now
from .leases import lease, require_name
from .ledger_jobs import to_job
from .rows import Job
from .tables import JobRow
from .transactions import Transactions, clock
from .words import JOB_STATES

_FIRST = (JobRow.priority.desc(), JobRow.created_at, JobRow.id)


class QueueLedger(Transactions):
    """The queue of a ledger."""

    def claim_job(self, worker: str, seconds: float) -> Job | None:
        """Take the next job to run: of those queued or abandoned the one of highest priority, the oldest first.

        The claim holds for `seconds` and on for as long as it is renewed. Several may ask at once and each
        job goes to one.

        Returns:
            The job, now running; None where nobody waits.

        Raises:
            InputError: the worker has no name, or the lease no length.
        """
        require_name(worker)
        length = lease(seconds)
        with self._reading() as session:  # who asks in vain, as most do, holds up nobody
            if session.scalar(select(JobRow.id).where(_waits(clock(session))).limit(1)) is None:
                return None
        with self._writing() as session:
            moment = clock(session)
            first = select(JobRow).where(_waits(moment)).order_by(*_FIRST).limit(1)
            row = session.scalars(first.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return None
            row.state, row.claimed_by, row.lease_until = "running", worker, moment + length
            row.attempts += 1
            row.updated_at = now()
            session.flush()
            return to_job(row)

    def renew(self, job_id: str, worker: str, seconds: float) -> bool:
        """Hold a claim for `seconds` from now. False where it is another's by now, or nobody's: then stop working."""
        length = lease(seconds)
        with self._writing() as session:
            row = self._claimed(session, job_id, worker)
            if row is not None:
                row.lease_until = clock(session) + length
            return row is not None

    def release(self, job_id: str, worker: str, state: str = "queued") -> bool:
        """Give a job up; "queued" leaves it to the next, or interrupts it where it was asked to stop.

        False where it is not the worker's, and it stays as it is.
        """
        assert state in JOB_STATES, f"state: one of {JOB_STATES}; got {state!r}"
        assert state != "running", "a job that is given up does not run"
        with self._writing() as session:
            row = self._claimed(session, job_id, worker)
            if row is not None:
                row.state = "interrupted" if state == "queued" and row.stop_asked else state
                row.claimed_by, row.lease_until, row.stop_asked, row.updated_at = None, None, False, now()
            return row is not None

    def enqueue(self, job_id: str, priority: int = 0) -> None:
        """Have an interrupted or failed job wait for a worker again; one that waits already moves to that priority.

        Raises:
            InputError: there is no such job, or it runs or is done.
        """
        with self._writing() as session:
            row = self._locked_job(session, job_id)
            if row.state in ("running", "done"):
                raise InputError(f"job: must be interrupted or failed to be queued again; {job_id} is {row.state}")
            row.state, row.priority, row.error = "queued", priority, None
            row.claimed_by, row.lease_until, row.stop_asked, row.updated_at = None, None, False, now()

    def ask_to_stop(self, job_id: str) -> None:
        """Have whoever runs a job end it, so that it can be resumed; one that waits is taken out of the queue at once.

        Raises:
            InputError: there is no such job, or it neither runs nor waits.
        """
        with self._writing() as session:
            row = self._locked_job(session, job_id)
            if row.state not in ("running", "queued"):
                raise InputError(f"job: must be running or queued to be stopped; {job_id} is {row.state}")
            if row.state == "queued" and row.priority is not None:
                row.state, row.claimed_by, row.lease_until = "interrupted", None, None
            else:
                row.stop_asked = True
            row.updated_at = now()

    def stop_asked(self, job_id: str) -> bool:
        """Whether the job is to end. Raises InputError where there is no such job."""
        with self._reading() as session:
            asked = session.scalar(select(JobRow.stop_asked).where(JobRow.id == job_id))
        if asked is None:
            raise InputError(f"job: must be in {self.url}; got {job_id!r}")
        return asked

    def forget_stop(self, job_id: str) -> None:
        """Take back that a job is to end: who resumes it wants it to run."""
        with self._writing() as session:
            self._locked_job(session, job_id).stop_asked = False

    def set_priority(self, job_id: str, priority: int | None) -> None:
        """Put a job into the queue, move it there, or (with None) take it out; who runs it now runs on."""
        with self._writing() as session:
            row = self._locked_job(session, job_id)
            row.priority, row.updated_at = priority, now()

    def _claimed(self, session: Session, job_id: str, worker: str) -> JobRow | None:
        row = self._locked_job(session, job_id)
        return row if row.claimed_by == worker else None


def _waits(moment: datetime) -> ColumnElement[bool]:
    """In the queue and nobody's, or its worker let the lease run out."""
    queued = and_(JobRow.state == "queued", or_(JobRow.lease_until.is_(None), JobRow.lease_until < moment))
    abandoned = and_(JobRow.state == "running", JobRow.lease_until < moment)
    # The states once more by themselves, as no engine finds an index in the two halves.
    return and_(JobRow.state.in_(("queued", "running")), JobRow.priority.is_not(None), or_(queued, abandoned))
