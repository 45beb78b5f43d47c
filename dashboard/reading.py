"""What the pages read: the ledger opened read-only for one request, and closed again.

A ledger is opened anew for each request because the file may be created, replaced or upgraded while the dashboard runs;
a page that could not read it says so and tries again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd

from ..db import Evaluation, Job, Ledger, open_ledger
from ..errors import InputError

log = logging.getLogger(__name__)

# Whose errors say that the database did not answer. They are known by name, as only db/ may import them.
DRIVERS = ("sqlalchemy", "sqlite3", "psycopg")


class NotThere(Exception):
    """The ledger was read and holds no such job or architecture: what is missing, and what the ledger said of it."""

    def __init__(self, what: str, why: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why


class Unreadable(Exception):
    """The ledger could not be read just now. The message is one line for the reader."""


@dataclass(frozen=True)
class JobReading:
    """One job: itself, all its evaluations, the front of one fidelity, its training curve and its events."""

    job: Job
    version: str
    evaluations: pd.DataFrame
    front: pd.DataFrame
    curve: pd.DataFrame
    events: pd.DataFrame


@dataclass(frozen=True)
class ArchitectureReading:
    """One architecture of a job: its evaluations by fidelity, its row numbers, where its latency goes, its exports."""

    job: Job
    inherited: Evaluation | None
    finetuned: Evaluation | None
    rows: pd.DataFrame
    breakdown: pd.DataFrame
    exports: pd.DataFrame

    @property
    def best(self) -> Evaluation:
        """The evaluation of the highest fidelity there is."""
        evaluation = self.finetuned or self.inherited
        assert evaluation is not None, "an architecture is read from at least one evaluation"
        return evaluation


class Reader:
    """Reads one database. Every method raises Unreadable, and NotThere where it looks for something by name."""

    def __init__(self, database: str) -> None:
        self.database = database

    def jobs(self) -> pd.DataFrame:
        with self._ledger() as ledger:
            return ledger.jobs()

    def version(self, job_id: str) -> str:
        """A text that changes whenever the job's page would."""
        with self._ledger() as ledger:
            return _version(ledger, _job(ledger, job_id))

    def job(self, job_id: str, fidelity: str) -> JobReading:
        """Everything on a job's page. `job_id` may be any prefix that names one job; `fidelity` is the front's."""
        with self._ledger() as ledger:
            job = _job(ledger, job_id)
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

    def architecture(self, job_id: str, digest: str) -> ArchitectureReading:
        """Everything on an architecture's page. Both names may be prefixes."""
        with self._ledger() as ledger:
            job = _job(ledger, job_id)
            try:
                digest = ledger.evaluation(job.id, digest).digest
            except InputError as error:
                raise NotThere(f"Job {job.name} has no architecture that {digest} names.", str(error)) from None
            evaluations = ledger.evaluations(job.id)
            exports = ledger.exports(job.id)
            rows = evaluations[evaluations["digest"] == digest]
            at = {fidelity: ledger.evaluation(job.id, digest, fidelity) for fidelity in rows["fidelity"]}
            return ArchitectureReading(
                job=job,
                inherited=at.get("inherited"),
                finetuned=at.get("finetuned"),
                rows=rows,
                breakdown=ledger.breakdown(job.id, digest),
                exports=exports[exports["digest"] == digest],
            )

    @contextmanager
    def _ledger(self) -> Iterator[Ledger]:
        try:
            with open_ledger(self.database, create=False, read_only=True) as ledger:
                yield ledger
        except NotThere:
            raise
        except InputError as error:
            raise Unreadable(str(error)) from None
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in DRIVERS:
                raise
            # A locked file, a lost server or a damaged page is the same to a reader: not now.
            log.warning("the ledger could not be read", exc_info=True)
            raise Unreadable(" ".join(str(error).splitlines()[:1]) or type(error).__name__) from error


def _job(ledger: Ledger, prefix: str) -> Job:
    try:
        return ledger.job(prefix)
    except InputError as error:
        raise NotThere(f"This ledger has no job that {prefix} names.", str(error)) from None


def _version(ledger: Ledger, job: Job) -> str:
    # Writing to a job's row or its evaluations moves its time; the curve and the events leave it alone.
    latest = ledger.events(job.id, limit=1)["id"].tolist()
    return f"{job.updated_at.isoformat()} {latest} {len(ledger.curve(job.id))}"
