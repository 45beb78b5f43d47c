"""What the page of one architecture reads."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ...db import Evaluation, Job
from ...errors import InputError
from ..reader import NotThere, Reader, find_job


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


def read_architecture(reader: Reader, job_id: str, digest: str) -> ArchitectureReading:
    """Everything on an architecture's page. Both names may be prefixes.

    Raises:
        NotThere: no such job, or no such architecture in it.
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        job = find_job(ledger, job_id)
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
