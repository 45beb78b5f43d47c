"""Deleting a job takes what is its own and nothing else; a vacuum takes what nobody needs, and says so before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from frontier.db import Evaluation, Job, Ledger, Vacuumed
from frontier.errors import InputError

MakeEvaluation = Callable[..., Evaluation]


@pytest.fixture
def two_jobs(ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> Ledger:
    line = {"layer": "l", "op": "mm", "family": "gemm", "calls": 1, "latency_ms": 1.0, "measured": True}
    ledger.create_job(job_id="other", name="o", config={}, space={}, run_dir="r", objectives=["val_loss"])
    for job_id in (job.id, "other"):
        ledger.record(job_id, [evaluation("shared", 1.0, 2.0)], {"shared": {"prefill": [line]}})
        ledger.add_event(job_id, "train", "k", "m")
    ledger.record(job.id, [evaluation("own", 2.0, 1.0), evaluation("noted", 3.0, 3.0), evaluation("tagged", 4.0, 4.0)])
    ledger.add_checkpoint(job.id, "finalist", "/w", 1, digest="own")
    ledger.add_note("noted", "keep this")
    ledger.add_tag("tagged", "keep")
    return ledger


def test_a_dry_run_says_what_goes_and_the_run_does_that(two_jobs: Ledger, job: Job) -> None:
    said = two_jobs.delete_job(job.id, dry_run=True)
    assert said["jobs"] == 1
    assert (said["evaluations"], said["front_members"], said["checkpoints"], said["breakdowns"]) == (4, 2, 1, 1)
    assert two_jobs.job(job.id).evaluations == 4
    assert two_jobs.delete_job(job.id) == said
    assert list(two_jobs.jobs()["id"]) == ["other"]
    assert len(two_jobs.evaluations("other")) == len(two_jobs.front("other")) == len(two_jobs.events("other")) == 1
    with pytest.raises(InputError, match=job.id):
        two_jobs.delete_job(job.id)


def test_a_running_job_is_deleted_by_force_only(two_jobs: Ledger, job: Job) -> None:
    two_jobs.set_state(job.id, "running")
    for dry_run in (True, False):
        with pytest.raises(InputError, match=r"job: must not be running .*by force"):
            two_jobs.delete_job(job.id, dry_run=dry_run)
    two_jobs.set_state(job.id, "queued")
    two_jobs.set_priority(job.id, 1)
    two_jobs.claim_job("w7", 60)
    with pytest.raises(InputError, match="must not be running, by w7"):
        two_jobs.delete_job(job.id)
    assert two_jobs.delete_job(job.id, force=True)["jobs"] == 1


def test_a_job_of_the_same_name_begins_anew(two_jobs: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
    two_jobs.delete_job(job.id)
    again = two_jobs.create_job(
        job_id=job.id, name="n", config={}, space={}, run_dir="r", objectives=["val_loss", "latency_ms"]
    )
    assert two_jobs.record(again.id, [evaluation("own", 9.0, 9.0)]) == 1
    assert list(two_jobs.front(again.id)["digest"]) == ["own"]


def test_a_vacuum_takes_architectures_that_nobody_needs(two_jobs: Ledger, job: Job) -> None:
    assert two_jobs.vacuum(dry_run=True).architectures == 0
    two_jobs.delete_job(job.id)
    assert two_jobs.vacuum(dry_run=True).architectures == 1
    assert two_jobs.vacuum().architectures == 1
    assert two_jobs.vacuum(dry_run=True).architectures == 0
    assert two_jobs.evaluation("other", "shared").architecture == {"of": "shared"}
    assert len(two_jobs.notes("noted")) == len(two_jobs.tags("tagged")) == 1
    with pytest.raises(InputError, match="'own'"):
        two_jobs.add_note("own", "too late")


def test_a_vacuum_gives_the_space_back(ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
    long = [evaluation(f"{i:04}", 1.0, 1.0, architecture={"text": "x" * 2000}) for i in range(600)]
    ledger.record(job.id, long)
    ledger.delete_job(job.id)
    said, done = ledger.vacuum(dry_run=True), ledger.vacuum()
    assert said.architectures == done.architectures == 600
    if ledger.url.startswith("sqlite"):
        assert done.freed_bytes is not None
        assert said.freed_bytes is not None
        assert done.freed_bytes > 600 * 2000
        assert 0 < said.freed_bytes < done.freed_bytes
        assert Path(ledger.url.removeprefix("sqlite:///")).stat().st_size < 600 * 2000
    else:
        assert said == done == Vacuumed(600, None)


def test_a_vacuum_and_writers_at_once_lose_nothing(ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
    """A writer comes back to architectures that the vacuum is about to take."""
    other = ledger.create_job(job_id="other", name="o", config={}, space={}, run_dir="r", objectives=["val_loss"])
    ledger.record(other.id, [evaluation(f"{i:03}", 1.0) for i in range(120)])
    ledger.delete_job(other.id)
    errors: list[BaseException] = []

    def write() -> None:
        try:
            for first in range(0, 120, 10):
                ledger.record(job.id, [evaluation(f"{i:03}", 1.0, 1.0) for i in range(first, first + 10)])
        except BaseException as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        ledger.vacuum()
    writer.join()
    assert errors == []
    assert len(ledger.evaluations(job.id)) == 120
