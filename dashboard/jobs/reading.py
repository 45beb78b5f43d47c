"""What the page of all jobs reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pandas as pd

from ...db import Ledger
from ..kept import Kept
from ..reader import Reader

Value = TypeVar("Value")

# Enough to see the shape of a curve that is a hundred pixels wide.
SAMPLES = 24
JOBS_KEPT = 2000
# So long one reading counts and samples jobs that are not kept; what is missing then comes with the next ones.
PATIENCE_SECONDS = 0.6

_counts: Kept[dict[str, int]] = Kept(JOBS_KEPT)
_curves: Kept[pd.DataFrame] = Kept(JOBS_KEPT)


@dataclass(frozen=True)
class JobsReading:
    """Every job, the newest first; by job the evaluations in each state and a sampled hypervolume; who carries out.

    Jobs that there was no time for yet are not among `counts` and `hypervolumes`, and then `version` is one that no
    ledger has: otherwise it changes whenever the page would. `controllers` are those alive. `database` is where,
    without a password.
    """

    version: str
    jobs: pd.DataFrame
    counts: Mapping[str, Mapping[str, int]]
    hypervolumes: Mapping[str, pd.DataFrame]
    controllers: tuple[str, ...]
    database: str


def read_version(reader: Reader) -> str:
    """A text that changes whenever the page of all jobs would: two small questions."""
    with reader.ledger() as ledger:
        return _version(ledger)


def read_overviews(reader: Reader, patience_s: float = PATIENCE_SECONDS) -> JobsReading:
    """Everything on the page of all jobs.

    Counts and curves are made anew only of jobs that were written to since: each is kept by what it depends on.

    Raises:
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        version, jobs = _version(ledger), ledger.jobs()
        listed, changes = jobs.to_dict("records"), ledger.front_changes()
        deadline = time.monotonic() + patience_s
        counts, curves = {}, {}
        for job in listed:
            counted, sampled = _counted(ledger, job), _sampled(ledger, job, changes.get(job["id"], 0))
            if (sampled.is_kept and counted.is_kept) or time.monotonic() < deadline:
                counts[job["id"]], curves[job["id"]] = counted.value(), sampled.value()
        whole = len(counts) == len(listed)
        return JobsReading(
            version=version if whole else f"{version}, {len(counts)} of {len(listed)}",
            jobs=jobs,
            counts=counts,
            hypervolumes=curves,
            controllers=alive(ledger),
            database=ledger.url,
        )


def alive(ledger: Ledger) -> tuple[str, ...]:
    """The controllers that said lately that they are there."""
    controllers = ledger.controllers()
    return tuple(controllers.loc[controllers["alive"], "name"])


def _version(ledger: Ledger) -> str:
    number, newest = ledger.newest_change()
    return f"{number} {newest} {alive(ledger)}"


@dataclass(frozen=True)
class _Made(Generic[Value]):
    """Something that is kept by a key, or made."""

    kept: Kept[Value]
    key: Hashable
    make: Callable[[], Value]

    @property
    def is_kept(self) -> bool:
        return self.key in self.kept

    def value(self) -> Value:
        return self.kept.of(self.key, self.make)


def _counted(ledger: Ledger, job: dict[Any, Any]) -> _Made[dict[str, int]]:
    def count() -> dict[str, int]:
        rows = ledger.state_counts([job["id"]])
        return dict(zip(rows["state"], rows["count"].tolist(), strict=True))

    return _Made(_counts, (ledger.url, job["id"], job["created_at"], job["evaluations"]), count)


def _sampled(ledger: Ledger, job: dict[Any, Any], front_changed_at: int) -> _Made[pd.DataFrame]:
    key = (ledger.url, job["id"], job["created_at"], front_changed_at)
    return _Made(_curves, key, lambda: ledger.hypervolume_sampled(job["id"], SAMPLES))
