"""What a comparison reads: the rows of the architectures that are named, and who could be compared as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ...db import Job, Ledger
from ..architecture.reading import Evaluated, read_evaluated
from ..reader import NotThere, Reader, find_job


@dataclass(frozen=True)
class Compared(Evaluated):
    """One architecture of a comparison, and the `name` it was asked for by."""

    name: str
    on_front: bool
    tags: tuple[str, ...]


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
    found = read_evaluated(ledger, owner, prefix)
    return Compared(
        **vars(found),
        name=name,
        on_front=bool(found.rows["on_front"].any()),
        tags=tuple(ledger.tags(found.digest)["tag"]),
    )
