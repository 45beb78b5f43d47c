"""Queued jobs run in processes of a controller: to their end, through stops, deaths and the controller's own end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import RunJob, frontier_command

from frontier.db import Ledger, open_ledger
from frontier.errors import InputError
from frontier.jobs.controller import Settings, child, job_run
from frontier.jobs.controller.job_run import JobRun

from .service import BRIEF_JOB, LIMIT_SECONDS, TINY_JOB, controlled, copied_ledger, submitted, until

EVALUATIONS = BRIEF_JOB["search"]["evaluations"]


@pytest.fixture
def db(finished_job: RunJob, tmp_path: Path) -> Path:
    """A ledger that knows this machine's kernels."""
    return copied_ledger(finished_job.db, tmp_path)


@pytest.fixture
def ledger(db: Path) -> Iterator[Ledger]:
    with open_ledger(str(db)) as ledger:
        yield ledger


def trained(ledger: Ledger, job_id: str) -> Callable[[], bool]:
    """Whether a job has taken its first steps."""
    return lambda: len(ledger.curve(job_id)) > 0


def state(ledger: Ledger, job_id: str, *states: str) -> Callable[[], bool]:
    return lambda: ledger.job(job_id).state in states


def test_a_killed_controllers_job_is_taken_over_and_ends_once(db: Path, ledger: Ledger) -> None:
    job_id = submitted(db, BRIEF_JOB, "--priority", 2)
    waiting = ledger.job(job_id)
    assert (waiting.state, waiting.stage, waiting.priority) == ("queued", "profile", 2)
    assert not Path(waiting.run_dir).exists()
    script = Path(__file__).parent / "controller_process.py"
    first = subprocess.Popen([sys.executable, script, db, "3"])
    try:
        until(trained(ledger, job_id), "the first steps")
        taken = ledger.job(job_id)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert taken.attempts == 1
    with controlled(db) as controller:
        until(lambda: ledger.job(job_id).attempts == 2, "another controller to take over")
        assert ledger.job(job_id).claimed_by == controller.name
        until(state(ledger, job_id, "done", "failed"), "the job to end")
        until(lambda: ledger.job(job_id).claimed_by is None, "the claim to be given up")
    job = ledger.job(job_id)
    assert job.state == "done", job.error
    assert (job.attempts, job.lease_until, job.stop_asked) == (2, None, False)
    assert len(ledger.evaluations(job_id, "inherited")) == EVALUATIONS
    assert ledger.evaluations(job_id, "inherited")["digest"].is_unique
    assert len(ledger.events(job_id).query("stage == 'done' and kind == 'stage'")) == 1
    log = (Path(job.run_dir) / "driver.log").read_text()
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d search: begins, 8 steps$", log, flags=re.MULTILINE)


def test_a_service_runs_stops_and_resumes_a_job_and_gives_it_back_when_it_ends(db: Path, ledger: Ledger) -> None:
    job_id = submitted(db, TINY_JOB)
    folders = ("--runs", db.parent / "runs", "--exports", db.parent / "exports")
    service = frontier_command("serve", "--db", db, *folders, "--port", 0, environment={"FRONTIER_TOKEN": ""})
    assert service.stdout is not None
    address, token = (service.stdout.readline().split()[-1] for _ in range(2))
    assert len(token) > 20
    with urllib.request.urlopen(address, timeout=LIMIT_SECONDS) as answer:
        assert answer.status == 200
    until(trained(ledger, job_id), "the first steps")
    (controller,) = ledger.controllers().query("alive")["name"]
    assert ledger.job(job_id).claimed_by == controller
    assert ledger.nodes(job_id)["left_at"].isna().tolist() == [True]
    assert ledger.nodes(job_id)["cpus"].tolist() == [2.0]
    stopping = frontier_command("stop", job_id, "--db", db)
    assert "ends within a few seconds" in stopping.communicate(timeout=LIMIT_SECONDS)[0]
    until(state(ledger, job_id, "interrupted"), "the job to stop")
    until(lambda: ledger.job(job_id).claimed_by is None, "the claim to be given up")
    assert ledger.nodes(job_id)["left_at"].notna().all()
    reached = ledger.curve(job_id)["step"].max()
    ledger.enqueue(job_id)
    until(lambda: ledger.curve(job_id)["step"].max() > reached, "the job to go on")
    service.send_signal(signal.SIGINT)
    _, err = service.communicate(timeout=LIMIT_SECONDS)
    assert service.returncode == 0, err[-2000:]
    assert "Traceback" not in err
    job = ledger.job(job_id)
    assert (job.state, job.claimed_by) == ("queued", None)
    assert ledger.nodes(job_id)["left_at"].notna().tolist() == [True, True]
    assert ledger.controllers().empty


def test_a_limit_that_nobody_meets_fails_the_job_and_says_why(db: Path, ledger: Ledger) -> None:
    job_id = submitted(db, {**TINY_JOB, "constraints": {"latency_ms": {"max": 0.0001}}})
    with controlled(db):
        until(state(ledger, job_id, "failed", "done"), "the job to fail")
        until(lambda: ledger.job(job_id).claimed_by is None, "the claim to be given up")
    job = ledger.job(job_id)
    assert job.state == "failed"
    assert re.fullmatch(
        rf"{job_id}: constraints.latency_ms.max: at least \S+, the least that any architecture of small reaches on "
        "this-machine; got 0.0001",
        str(job.error),
    )
    assert "retry" not in set(ledger.events(job_id)["kind"])


def test_a_driver_that_dies_again_and_again_is_given_up(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = str(tmp_path / "run")
    ledger.create_job(job_id="a", name="a", config={}, space={}, run_dir=run_dir, objectives=["val_loss"], priority=0)
    dies = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"]
    monkeypatch.setattr(child, "start", lambda *_, **__: subprocess.Popen(dies))
    monkeypatch.setattr(job_run, "FIRST_PAUSE_S", 0.01)
    job = ledger.claim_job("w", 60)
    assert job is not None
    run = JobRun(ledger, ledger.url, job, "w")
    until(run.tend, "the job to be given up")
    failed = ledger.job("a")
    assert (failed.state, failed.claimed_by) == ("failed", None)
    assert str(failed.error).startswith("its driver was ended by SIGSEGV, 4 times without getting further; see ")
    assert ledger.events("a")["kind"].tolist() == ["retry"] * 3


def test_a_run_folder_that_cannot_be_made_fails_the_job(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run_dir = str(tmp_path / "file" / "run")
    ledger.create_job(job_id="a", name="a", config={}, space={}, run_dir=run_dir, objectives=["val_loss"], priority=0)
    job = ledger.claim_job("w", 60)
    assert job is not None
    assert JobRun(ledger, ledger.url, job, "w").tend()
    assert (ledger.job("a").state, ledger.job("a").error) == (
        "failed",
        f"{run_dir}: a run folder that can be written; Not a directory",
    )


def test_a_job_that_was_deleted_or_claimed_by_another_is_let_go(ledger: Ledger, tmp_path: Path) -> None:
    for job_id in "ab":
        run_dir = str(tmp_path / job_id)
        ledger.create_job(
            job_id=job_id, name=job_id, config={}, space={}, run_dir=run_dir, objectives=["val_loss"], priority=0
        )
    claims = [ledger.claim_job("w", 60) for _ in range(2)]
    runs = [JobRun(ledger, ledger.url, job, "w") for job in claims if job is not None]
    ledger.delete_job("a", force=True)
    ledger.release("b", "w", "queued")
    assert ledger.claim_job("other", 60) is not None
    assert [run.renew(60) for run in runs] == [False, False]
    assert ledger.job("b").claimed_by == "other"


def test_nothing_at_once_is_no_service() -> None:
    with pytest.raises(InputError, match="parallel: at least 1 job at once; got 0"):
        Settings(parallel=0)
