"""What the page of one job reads."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ...db import Job, Ledger
from ..reader import Reader, find_job


@dataclass(frozen=True)
class JobReading:
    """One job: itself, all its evaluations, the front of one fidelity, its training curve and its events."""

    job: Job
    version: str
    evaluations: pd.DataFrame
    front: pd.DataFrame
    curve: pd.DataFrame
    events: pd.DataFrame


def read_version(reader: Reader, job_id: str) -> str:
    """A text that changes whenever the job's page would."""
    with reader.ledger() as ledger:
        return _version(ledger, find_job(ledger, job_id))


def read_job(reader: Reader, job_id: str, fidelity: str) -> JobReading:
    """Everything on a job's page. `job_id` may be any prefix that names one job; `fidelity` is the front's.

    Raises:
        NotThere: no such job.
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        job = find_job(ledger, job_id)
        # Each of these is a view of its own moment. The version is taken first, so that what comes after it is read
        # again, and the front before the evaluations, so that each of its members is among them.
        version, front = _version(ledger, job), ledger.front(job.id, fidelity)
        return JobReading(
            job=job,
            version=version,
            evaluations=ledger.evaluations(job.id),
            front=front,
            curve=ledger.curve(job.id),
            events=ledger.events(job.id),
        )


def _version(ledger: Ledger, job: Job) -> str:
    # Writing to a job's row or its evaluations moves its time; the curve and the events leave it alone.
    latest = ledger.events(job.id, limit=1)["id"].tolist()
    return f"{job.updated_at.isoformat()} {latest} {len(ledger.curve(job.id))}"
