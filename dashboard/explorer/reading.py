"""What the explorer reads: the job, its points (all or the new ones), another job's front, a sample's choices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
import pandas as pd

from ...db import Job, Ledger, frames
from ...db.words import FIDELITIES
from ..numbers import loss_unit
from ..reader import NotThere, Reader, find_job
from .choices import Choices, read_choices
from .payload import pack

# So many architectures have a line in the parallel coordinates: enough to see what goes together.
MOST_SAMPLED = 1500
MOST_TUNED = 200
MOST_JOBS = 50


@dataclass(frozen=True, eq=False)
class Sample:
    """Some of a job's evaluations (rows of `Ledger.architectures`) and what they chose, or why that can't be read."""

    rows: pd.DataFrame
    choices: Choices | None
    problem: str = ""


@dataclass(frozen=True)
class OtherJob:
    """A job whose front may be laid over another's, and whether their losses have the same unit."""

    id: str
    name: str
    same_unit: bool


def read_explored_job(reader: Reader, prefix: str) -> Job:
    """The job that the address names. Its points come later: the page is there before them.

    Raises:
        NotThere: no such job.
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        return find_job(ledger, prefix)


def read_points(reader: Reader, job_id: str, after_seq: int) -> bytes | None:
    """The points and stays after an evaluation, packed; None where there is nothing new.

    A job that has fewer evaluations than `after_seq` was deleted and made again: then it is all of them.

    Raises:
        NotThere: the job is gone.
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        latest = ledger.latest_seq(job_id)
        if latest == after_seq > 0:
            return None
        made = find_job(ledger, job_id).created_at if latest < after_seq or after_seq == 0 else None
    return _packed(reader, job_id, after_seq, latest) if made is None else _whole(reader, job_id, made, latest)


@lru_cache(maxsize=4)
def _whole(reader: Reader, job_id: str, made: datetime, latest: int) -> bytes:
    """All of a job's points up to one. Kept, as the job is looked at again; `made` tells it from one made anew."""
    return _packed(reader, job_id, 0, latest)


def _packed(reader: Reader, job_id: str, after_seq: int, latest: int) -> bytes:
    with reader.ledger() as ledger:
        # Each of these is a view of its own moment. Points newer than `latest` wait for the next part, so that the
        # stays which changed with them come with it.
        stays = ledger.stays(job_id, after_seq)
        points = ledger.points(job_id, after_seq=after_seq)
    return pack(points[points["seq"] <= latest], stays, after_seq)


def read_front(reader: Reader, job_id: str, fidelity: str) -> bytes:
    """The front of a job as it is now, packed as points are."""
    if fidelity not in FIDELITIES:
        raise NotThere(f"There is no fidelity {fidelity}.")
    with reader.ledger() as ledger:
        front = ledger.front(find_job(ledger, job_id).id, fidelity, architectures=False)
    return pack(front[list(frames.POINTS)].sort_values("seq"), _no_stays(), 0)


def _no_stays() -> pd.DataFrame:
    return frames.frame(frames.STAYS, [])


def read_others(reader: Reader, job_id: str) -> list[OtherJob]:
    """The newest other jobs that have a front; those with the same unit of loss come first."""
    with reader.ledger() as ledger:
        own = loss_unit(ledger.job(job_id).config)
        listed = ledger.jobs()
        listed = listed[(listed["front_size"] > 0) & (listed["id"] != job_id)].head(MOST_JOBS)
        others = [
            OtherJob(other, name, loss_unit(ledger.job(other).config) == own)
            for other, name in zip(listed["id"], listed["name"], strict=True)
        ]
    return sorted(others, key=lambda other: not other.same_unit)


@lru_cache(maxsize=8)
def read_sample(reader: Reader, job_id: str, latest_seq: int) -> Sample:
    """The front, the fine-tuned, and an even sample of the others up to `latest_seq`, with what each chose.

    Kept for the jobs asked for last: reading a thousand architectures takes a second.
    """
    with reader.ledger() as ledger:
        job = ledger.job(job_id)
        rows = ledger.architectures(job_id, _sampled(ledger, job_id, latest_seq))
    rows = rows[rows["state"] == "complete"].reset_index(drop=True)
    try:
        return Sample(rows, read_choices(job.space, rows["architecture"].tolist()).differing())
    except ValueError as error:
        return Sample(rows, None, str(error))


def _sampled(ledger: Ledger, job_id: str, latest_seq: int) -> list[int]:
    stays = ledger.stays(job_id)
    front = stays.loc[stays["left_seq"].isna() & (stays["fidelity"] == "inherited"), "entered_seq"]
    tuned = ledger.points(job_id, "finetuned")["seq"]
    members = [*tuned.to_numpy()[:MOST_TUNED], *front.to_numpy()][:MOST_SAMPLED]
    evenly = np.linspace(1, max(1, latest_seq), min(latest_seq, MOST_SAMPLED - len(members)), dtype=int)
    return sorted({*map(int, members), *evenly.tolist()})
