"""What the overview of one job reads: bounded questions only, however many evaluations it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...db import Job, Ledger, Standing
from ...errors import InputError
from ..jobs.reading import alive
from ..kept import Kept
from ..reader import NotThere, Reader, find_job
from .log_tail import LogTail, log_tail

# Windows of the rate of evaluations, changes of the front that are drawn, and the newest evaluations looked at by one.
WINDOWS = 80
CHANGES = 160
NEWEST = 24

_hypervolumes: Kept[pd.DataFrame] = Kept(64)


@dataclass(frozen=True)
class JobReading:
    """One job and how it gets on.

    `counts` are its evaluations by state, `hypervolume` has the time of each change as `created_at`. When evaluations
    were written (seq, fidelity, created_at) is known of some spread over all there are, `spread`, and of the `newest`.
    `versions` names the parts of the page, and a text for each that changes whenever the part would.
    """

    job: Job
    versions: Mapping[str, str]
    standing: Standing
    counts: Mapping[str, int]
    hypervolume: pd.DataFrame
    spread: pd.DataFrame
    newest: pd.DataFrame
    curve: pd.DataFrame
    events: pd.DataFrame
    workers: pd.DataFrame
    reasons: pd.DataFrame
    qualities: pd.DataFrame
    nodes: pd.DataFrame
    controllers: tuple[str, ...]
    log: LogTail | None
    database: str


def read_versions(reader: Reader, job_id: str) -> Mapping[str, str]:
    """What changes when the job's page would: one or two small questions. `job_id` is the whole id.

    Raises:
        NotThere: no such job.
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        try:
            standing = ledger.standing(job_id)
        except InputError as error:
            raise NotThere(f"This ledger has no job {job_id} any more.", str(error)) from None
        return _versions(standing, _controllers(ledger, standing), log_tail(standing.run_dir))


def read_job(reader: Reader, job_id: str) -> JobReading:
    """Everything on the overview of a job. `job_id` may be any prefix that names one job.

    Raises:
        NotThere: no such job.
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        job = find_job(ledger, job_id)
        # Each of these is a view of its own moment. What the versions are made of comes first, so that what is written
        # meanwhile is read again.
        standing = ledger.standing(job.id)
        controllers, log = _controllers(ledger, standing), log_tail(job.run_dir)
        counts = ledger.state_counts([job.id])
        return JobReading(
            job=job,
            versions=_versions(standing, controllers, log),
            standing=standing,
            counts=dict(zip(counts["state"], counts["count"].tolist(), strict=True)),
            hypervolume=_hypervolume(ledger, job, standing),
            spread=ledger.evaluation_times(job.id, _spread(standing.evaluations)),
            newest=ledger.evaluation_times(job.id, _newest(standing.evaluations)),
            curve=ledger.curve(job.id),
            events=ledger.events(job.id),
            workers=ledger.workers(job.id),
            reasons=ledger.reasons(job.id),
            qualities=ledger.qualities(job.id),
            nodes=ledger.nodes(job.id),
            controllers=controllers,
            log=log,
            database=ledger.url,
        )


def _controllers(ledger: Ledger, standing: Standing) -> tuple[str, ...]:
    """Those alive, as far as a job that waits is concerned; no other job's page speaks of them."""
    return alive(ledger) if standing.state == "queued" else ()


def _versions(standing: Standing, controllers: tuple[str, ...], log: LogTail | None) -> dict[str, str]:
    return {
        "job": f"{standing.updated_at.isoformat()} {controllers}",
        "evaluations": f"{standing.evaluations} {standing.front_changed_at}",
        "curve": str(standing.last_step),
        "events": str(standing.last_event),
        "predictor": str(standing.predictor_at),
        "nodes": f"{standing.nodes} {standing.nodes_gone}",
        "log": "" if log is None else f"{log.size_bytes} {log.written_at.isoformat()}",
    }


def _hypervolume(ledger: Ledger, job: Job, standing: Standing) -> pd.DataFrame:
    def read() -> pd.DataFrame:
        curve = ledger.hypervolume_sampled(job.id, CHANGES)
        times = ledger.evaluation_times(job.id, curve["seq"].tolist())
        return curve.merge(times[["seq", "created_at"]], on="seq")

    return _hypervolumes.of((ledger.url, job.id, job.created_at, standing.front_changed_at), read)


def _spread(evaluations: int) -> list[int]:
    windows = min(WINDOWS, evaluations)
    return np.unique(np.linspace(1, evaluations, windows).round().astype(int)).tolist() if windows else []


def _newest(evaluations: int) -> list[int]:
    return list(range(max(1, evaluations - NEWEST + 1), evaluations + 1))
