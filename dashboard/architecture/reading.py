"""What the page of one architecture reads: only its own rows, and the few models of its job that were measured."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ...db import Evaluation, Job, Ledger, Roofs
from ...errors import InputError
from ..reader import NotThere, Reader, find_job


@dataclass(frozen=True)
class Exports:
    """What was exported of an architecture, and what was asked to be: rows of exports and of commands, newest first.

    `controllers` counts those that are there to carry commands out.
    """

    written: pd.DataFrame
    commands: pd.DataFrame
    controllers: int


@dataclass(frozen=True)
class Remarks:
    """What users said of an architecture."""

    notes: pd.DataFrame
    tags: pd.DataFrame


@dataclass(frozen=True)
class Evaluated:
    """One architecture of a job: its evaluations by fidelity, its rows, where its latency goes."""

    job: Job
    digest: str
    inherited: Evaluation | None
    finetuned: Evaluation | None
    rows: pd.DataFrame
    breakdown: pd.DataFrame

    @property
    def best(self) -> Evaluation:
        """The evaluation of the highest fidelity there is."""
        evaluation = self.finetuned or self.inherited
        assert evaluation is not None, "an architecture is read from at least one evaluation"
        return evaluation


@dataclass(frozen=True)
class ArchitectureReading(Evaluated):
    """One architecture of a job, and what came of it.

    `measured` are the job's measured models, `finders` the jobs that evaluated this architecture, this one among them.
    """

    roofs: Roofs | None
    measured: pd.DataFrame
    finders: pd.DataFrame
    exports: Exports
    remarks: Remarks


def read_architecture(reader: Reader, job_id: str, digest: str) -> ArchitectureReading:
    """Everything on an architecture's page. Both names may be prefixes.

    Raises:
        NotThere: no such job, or no such architecture in it.
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        job = find_job(ledger, job_id)
        found = read_evaluated(ledger, job, digest)
        return ArchitectureReading(
            **vars(found),
            roofs=_roofs(ledger, job),
            measured=ledger.measured_models(job.id),
            finders=ledger.finders(found.digest),
            exports=_exports(ledger, job.id, found.digest),
            remarks=_remarks(ledger, found.digest),
        )


def read_evaluated(ledger: Ledger, job: Job, prefix: str) -> Evaluated:
    """The architecture of a job that a prefix of its digest names.

    Raises:
        NotThere: there is none, or more than one.
    """
    try:
        digest = ledger.evaluation(job.id, prefix).digest
    except InputError as error:
        raise NotThere(f"Job {job.name} has no architecture that {prefix} names.", str(error)) from None
    rows = ledger.lineage(job.id, digest)
    at = {fidelity: ledger.evaluation(job.id, digest, fidelity) for fidelity in rows["fidelity"]}
    breakdown = ledger.breakdown(job.id, digest)
    return Evaluated(job, digest, at.get("inherited"), at.get("finetuned"), rows, breakdown)


def read_latency(reader: Reader, job_id: str, digest: str) -> tuple[Job, pd.DataFrame, Roofs | None]:
    """The job, where the architecture's latency goes, and the roofs of the job's device, if it has any."""
    with reader.ledger() as ledger:
        job = find_job(ledger, job_id)
        return job, ledger.breakdown(job.id, digest), _roofs(ledger, job)


def read_exports(reader: Reader, job_id: str, digest: str) -> Exports:
    """What was exported of an architecture, and how far what was asked for is."""
    with reader.ledger() as ledger:
        return _exports(ledger, job_id, digest)


def read_remarks(reader: Reader, digest: str) -> Remarks:
    """The notes and tags of an architecture."""
    with reader.ledger() as ledger:
        return _remarks(ledger, digest)


def _roofs(ledger: Ledger, job: Job) -> Roofs | None:
    name = (job.config.get("device") or {}).get("name")
    return ledger.roofs(str(name)) if name else None


def _exports(ledger: Ledger, job_id: str, digest: str) -> Exports:
    written, commands = ledger.exports(job_id), ledger.commands(job_id=job_id, kind="export")
    asked = commands["arguments"].map(lambda arguments: arguments.get("digest") == digest).astype(bool)
    return Exports(
        written=written[written["digest"] == digest].iloc[::-1],
        commands=commands[asked],
        controllers=int(ledger.controllers()["alive"].sum()),
    )


def _remarks(ledger: Ledger, digest: str) -> Remarks:
    return Remarks(ledger.notes(digest), ledger.tags(digest))
