"""What a comparison reads: the rows of the architectures that are named, and who could be compared as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ...db import Evaluation, Job, Ledger
from ..architecture.reading import find_digest
from ..reader import NotThere, Reader, find_job


@dataclass(frozen=True)
class Compared:
    """One architecture of a comparison: the `name` it was asked for by, its job, its rows and its latency's parts."""

    name: str
    job: Job
    digest: str
    inherited: Evaluation | None
    finetuned: Evaluation | None
    on_front: bool
    breakdown: pd.DataFrame
    tags: tuple[str, ...]

    @property
    def best(self) -> Evaluation:
        """The evaluation of the highest fidelity there is."""
        evaluation = self.finetuned or self.inherited
        assert evaluation is not None, "an architecture is read from at least one evaluation"
        return evaluation


@dataclass(frozen=True)
class Comparison:
    """The architectures that were found, why others were not (by name), and the job's front, the fastest first."""

    job: Job
    found: tuple[Compared, ...]
    missing: dict[str, str]
    front: pd.DataFrame


def read_comparison(reader: Reader, job_id: str, names: Sequence[str]) -> Comparison:
    """Look up every name: a digest of the job or its beginning, or `job:digest`.

    Two names of the same architecture of the same job are one.

    Raises:
        NotThere: no such job.
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        job = find_job(ledger, job_id)
        found: dict[tuple[str, str], Compared] = {}
        missing: dict[str, str] = {}
        for name in names:
            try:
                one = _compared(ledger, job, name)
            except NotThere as error:
                missing[name] = error.why or error.what
            else:
                found.setdefault((one.job.id, one.digest), one)
        return Comparison(job, tuple(found.values()), missing, ledger.front(job.id, architectures=False))


def _compared(ledger: Ledger, job: Job, name: str) -> Compared:
    other, colon, prefix = name.rpartition(":")
    owner = find_job(ledger, other) if colon else job
    digest = find_digest(ledger, owner, prefix)
    rows = ledger.lineage(owner.id, digest)
    at = {fidelity: ledger.evaluation(owner.id, digest, fidelity) for fidelity in rows["fidelity"]}
    return Compared(
        name=name,
        job=owner,
        digest=digest,
        inherited=at.get("inherited"),
        finetuned=at.get("finetuned"),
        on_front=bool(rows["on_front"].any()),
        breakdown=ledger.breakdown(owner.id, digest),
        tags=tuple(ledger.tags(digest)["tag"]),
    )
