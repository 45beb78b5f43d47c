"""What was acknowledged is there after kill -9, and readers and the writer leave each other alone."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from frontier.db import Ledger, open_ledger

from .writers import BATCH, JOB, Writers, check_front, check_rows, integrity, started_writers

CLAIMERS = 8
LEASE_SECONDS = 6.0
LIMIT_SECONDS = 600  # of all tests here together, on a machine that has other work too


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    with started_writers(LIMIT_SECONDS) as writers:
        yield writers


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.soak)])
def test_kill_9_at_random_instants_loses_nothing(database: str, writers: Writers, kills: int) -> None:
    rng, kept, acknowledged = Random(), 0, set[int]()
    for attempt in range(6 * kills):
        if attempt >= kills and len(acknowledged) > 10:
            break  # on a busy machine ten writers may all die before they wrote
        writers.start("write", database, str(kept))
        pid = writers.pid()
        time.sleep(rng.uniform(0.0, 0.25))
        os.kill(pid, signal.SIGKILL)
        acknowledged.update(writers.rest())
        with open_ledger(database) as ledger:
            if len(ledger.jobs()):
                kept = check_rows(ledger, acknowledged)
        if "://" not in database:
            assert integrity(database) == [("ok",)]
    assert len(acknowledged) > 10, "the writers were killed before they wrote: the test has shown nothing"
    with open_ledger(database, read_only=True) as ledger:
        check_front(ledger)


def test_kill_9_while_the_tables_are_made(tmp_path: Path, writers: Writers) -> None:
    rng = Random()
    for attempt in range(8):
        path = tmp_path / f"{attempt}.db"
        writers.start("write", str(path), "0")
        pid = writers.pid()
        time.sleep(rng.uniform(0.0, 0.12))
        os.kill(pid, signal.SIGKILL)
        acknowledged = writers.rest()
        with open_ledger(str(path)) as ledger:
            assert len(ledger.evaluations(JOB)) >= BATCH * len(acknowledged)
        assert integrity(str(path)) == [("ok",)]
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_several_may_create_the_same_ledger_at_once(empty_database: str, writers: Writers) -> None:
    for _ in range(4):
        writers.start("create", empty_database)
    assert writers.statuses(4) == [0] * 4
    with open_ledger(empty_database, create=False) as ledger:
        assert ledger.jobs().empty


def test_a_reader_that_polls_sees_whole_batches_and_no_error(database: str, writers: Writers) -> None:
    writers.start("write", database, "0")
    pid = writers.pid()
    try:
        assert writers.report() == ("ack", 0)
        seen = [0]
        deadline = time.monotonic() + LIMIT_SECONDS
        while seen[-1] < 60 * BATCH or len(seen) < 20:
            assert time.monotonic() < deadline, f"saw {seen}"
            with open_ledger(database, read_only=True) as reader:
                for _ in range(3):
                    seen.append(int(reader.jobs()["evaluations"][0]))
                    front = reader.front(JOB)
                    assert len(front) > 0
                    assert front["on_front"].all()
                    frame = reader.evaluations(JOB)
                    assert len(frame) >= seen[-1]
                    assert len(frame) % BATCH == 0
        assert seen == sorted(seen)
        assert all(count % BATCH == 0 for count in seen)
    finally:
        os.kill(pid, signal.SIGKILL)
    acknowledged = writers.rest()
    with open_ledger(database, read_only=True) as reader:
        assert len(reader.evaluations(JOB)) >= BATCH * len(acknowledged)


def test_a_reader_in_the_middle_of_reading_does_not_hold_up_the_writer(tmp_path: Path, writers: Writers) -> None:
    path = tmp_path / "frontier.db"
    writers.start("write", str(path), "0")
    pid = writers.pid()
    try:
        assert writers.report() == ("ack", 0)
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            count = "SELECT count(*) FROM evaluations"
            before = reader.execute(count).fetchone()
            first = writers.report()[1]
            while writers.report()[1] < first + 20:
                pass
            assert reader.execute(count).fetchone() == before
            reader.execute("ROLLBACK")
            assert reader.execute(count).fetchone()[0] >= before[0] + 20 * BATCH
    finally:
        os.kill(pid, signal.SIGKILL)
    writers.rest()


@pytest.mark.parametrize("claims", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_each_claimed_job_runs_once_and_who_died_is_replaced(
    ledger: Ledger, database: str, writers: Writers, claims: int
) -> None:
    """Three of eight die while they hold a job, before it ran; those three jobs go to others after their lease."""
    for number in range(claims):
        ledger.create_job(
            job_id=f"{number:04}", name="n", config={}, space={}, run_dir="r", objectives=["val_loss"], priority=0
        )
    for dies_after in (1, 2, 3, *[-1] * (CLAIMERS - 3)):
        writers.start("claim", database, str(LEASE_SECONDS), str(dies_after))
    statuses = writers.statuses(CLAIMERS)
    assert set(statuses) <= {0, signal.SIGKILL}
    died = statuses.count(signal.SIGKILL)
    assert died >= 1, "nobody died: the test has shown nothing"
    jobs = [ledger.job(f"{number:04}") for number in range(claims)]
    assert {job.state for job in jobs} == {"done"}
    assert sum(job.attempts - 1 for job in jobs) == died
    assert all(len(ledger.events(job.id)) == 1 for job in jobs)
