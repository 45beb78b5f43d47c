"""Jobs are claimed by one worker at a time, in order, and picked up again when their worker is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from frontier.db import Evaluation, Job, Ledger
from frontier.errors import InputError

MakeEvaluation = Callable[..., Evaluation]
LIMIT_SECONDS = 30


def submit(ledger: Ledger, job_id: str, priority: int | None = 0) -> Job:
    return ledger.create_job(
        job_id=job_id, name="n", config={}, space={}, run_dir="r", objectives=["val_loss"], priority=priority
    )


def claimed(ledger: Ledger, worker: str, seconds: float = 60) -> str | None:
    job = ledger.claim_job(worker, seconds)
    return None if job is None else job.id


def claimed_when_abandoned(ledger: Ledger, worker: str) -> str:
    """Ask until the lease of the worker before has run out."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while (found := claimed(ledger, worker)) is None:
        assert time.monotonic() < deadline, "nobody picks the job up"
        time.sleep(0.01)
    return found


def test_the_highest_priority_first_and_then_the_oldest(ledger: Ledger) -> None:
    for job_id, priority in [("low", -1), ("old", 0), ("new", 0), ("high", 5), ("not-queued", None)]:
        submit(ledger, job_id, priority)
    assert [claimed(ledger, "w") for _ in range(5)] == ["high", "old", "new", "low", None]


def test_a_claimed_job_runs_and_says_for_whom(ledger: Ledger) -> None:
    submit(ledger, "a")
    job = ledger.claim_job("w", 60)
    assert job is not None
    assert job == ledger.job("a")
    assert (job.state, job.claimed_by, job.attempts, job.priority) == ("running", "w", 1, 0)
    assert job.lease_until is not None
    assert 50 < (job.lease_until - job.updated_at).total_seconds() < 70


def test_a_job_of_ones_own_is_never_claimed(ledger: Ledger, job: Job) -> None:
    assert ledger.claim_job("w", 60) is None
    ledger.set_state(job.id, "running")
    assert ledger.claim_job("w", 60) is None
    ledger.set_priority(job.id, 1)
    assert ledger.claim_job("w", 60) is None  # it runs, and nobody said that it was let go
    ledger.set_state(job.id, "queued")
    assert claimed(ledger, "w") == job.id


def test_what_is_renewed_stays_and_what_is_not_goes_to_the_next(ledger: Ledger) -> None:
    submit(ledger, "a")
    assert claimed(ledger, "first", 0.2) == "a"
    assert ledger.renew("a", "first", 60)
    assert ledger.claim_job("second", 60) is None
    assert ledger.renew("a", "first", 0.05)
    assert claimed_when_abandoned(ledger, "second") == "a"
    assert not ledger.renew("a", "first", 60)
    assert not ledger.release("a", "first", "done")
    job = ledger.job("a")
    assert (job.claimed_by, job.attempts, job.state) == ("second", 2, "running")


def test_a_late_renewal_holds_where_nobody_came_between(ledger: Ledger) -> None:
    submit(ledger, "a")
    ledger.claim_job("w", 1e-6)
    assert ledger.renew("a", "w", 60)
    assert ledger.claim_job("other", 60) is None


@pytest.mark.parametrize("state", ["queued", "interrupted", "done", "failed"])
def test_a_released_job_is_nobodys(ledger: Ledger, state: str) -> None:
    submit(ledger, "a")
    ledger.claim_job("w", 60)
    assert ledger.release("a", "w", state)
    job = ledger.job("a")
    assert (job.state, job.claimed_by, job.lease_until) == (state, None, None)
    assert claimed(ledger, "next") == ("a" if state == "queued" else None)
    assert not ledger.release("a", "w")


def test_bad_claims_are_refused(ledger: Ledger, job: Job) -> None:
    with pytest.raises(InputError, match="worker: its name must not be empty"):
        ledger.claim_job("", 60)
    for seconds in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"seconds: of a lease must be above 0; got"):
            ledger.claim_job("w", seconds)
    with pytest.raises(InputError, match="'nobody'"):
        ledger.renew("nobody", "w", 1)


def test_threads_that_claim_at_once_get_a_job_each(ledger: Ledger) -> None:
    for number in range(24):
        submit(ledger, f"{number:02}")
    got: list[str] = []
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            while (found := claimed(ledger, name)) is not None:
                got.append(found)
                ledger.release(found, name, "done")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=LIMIT_SECONDS)
    assert errors == []
    assert sorted(got) == [f"{number:02}" for number in range(24)]


def test_who_lost_a_claim_writes_no_more(ledger: Ledger, evaluation: MakeEvaluation) -> None:
    submit(ledger, "a")
    assert claimed(ledger, "slow", 0.001) == "a"
    assert claimed_when_abandoned(ledger, "other") == "a"
    with pytest.raises(InputError, match="worker: must hold the claim of job a, other does; got 'slow'"):
        ledger.record("a", [evaluation("x", 1.0)], worker="slow")
    assert ledger.evaluations("a").empty
    ledger.record("a", [evaluation("x", 1.0)], worker="other")
    ledger.record("a", [evaluation("y", 1.0)])  # who has nothing to do with the queue
    assert ledger.release("a", "other")
    ledger.record("a", [evaluation("z", 1.0)], worker="slow")  # nobody's: it may be on its way out
    assert list(ledger.evaluations("a")["digest"]) == ["x", "y", "z"]
