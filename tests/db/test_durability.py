"""What was acknowledged is there after kill -9, and readers and the writer leave each other alone."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import IO

import pytest

from frontier.db import Ledger, open_ledger

BATCH = 5
JOB = "5eed01"
MOST_KILLS = 60
LIMIT_SECONDS = 180  # of all tests here together, on a machine that has other work too


class Writers:
    """The process of killed_writer.py, and its reports."""

    def __init__(self, stdin: IO[str], stdout: IO[str]) -> None:
        self._stdin, self._stdout = stdin, stdout

    def start(self, *task: str) -> None:
        self._stdin.write("\t".join(task) + "\n")
        self._stdin.flush()

    def report(self) -> tuple[str, int]:
        line = self._stdout.readline()
        assert line, "the writers' process ended"
        word, number = line.split()
        return word, int(number)

    def pid(self) -> int:
        word, number = self.report()
        while word != "pid":  # a fast child can speak before its parent
            word, number = self.report()
        return number

    def rest(self) -> list[int]:
        """What a writer acknowledged before it died."""
        acknowledged = []
        while (report := self.report())[0] != "dead":
            acknowledged.append(report[1])
        return acknowledged


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    script = str(Path(__file__).with_name("killed_writer.py"))
    process = subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    # A hang must fail, not last: the reads end when the process group does.
    alarm = threading.Timer(LIMIT_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    alarm.start()
    try:
        yield Writers(process.stdin, process.stdout)
    finally:
        alarm.cancel()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def integrity(path: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return connection.execute("PRAGMA integrity_check").fetchall()


def check_front(ledger: Ledger) -> None:
    frame = ledger.evaluations(JOB)
    points = list(zip(frame["val_loss"], frame["latency_ms"], strict=True))
    expected = {
        frame["digest"][i]
        for i, (x, y) in enumerate(points)
        if not any(a <= x and b <= y and ((a, b) != (x, y) or j < i) for j, (a, b) in enumerate(points))
    }
    assert set(ledger.front(JOB)["digest"]) == expected


def test_kill_9_at_random_instants_loses_nothing(tmp_path: Path, writers: Writers) -> None:
    path, rng, kept, acknowledged = tmp_path / "frontier.db", Random(), 0, set[int]()
    for attempt in range(MOST_KILLS):
        if attempt >= 10 and len(acknowledged) > 10:
            break  # on a busy machine ten writers may all die before they wrote
        writers.start("write", str(path), str(kept))
        pid = writers.pid()
        time.sleep(rng.uniform(0.0, 0.25))
        os.kill(pid, signal.SIGKILL)
        acknowledged.update(writers.rest())
        with open_ledger(str(path)) as ledger:
            digests = list(ledger.evaluations(JOB)["digest"])
            seqs = list(ledger.evaluations(JOB)["seq"])
        assert len(digests) == len(set(digests)), "recorded twice"
        assert len(digests) % BATCH == 0, "half a batch"
        assert seqs == list(range(1, len(seqs) + 1))
        kept = len(digests) // BATCH
        assert digests == [f"{number:06}-{row}" for number in range(kept) for row in range(BATCH)]
        assert acknowledged <= set(range(kept)), "an acknowledged batch is lost"
        assert integrity(path) == [("ok",)]
    assert len(acknowledged) > 10, "the writers were killed before they wrote: the test has shown nothing"
    with open_ledger(str(path), read_only=True) as ledger:
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
        assert integrity(path) == [("ok",)]
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_several_may_create_the_same_ledger_at_once(tmp_path: Path, writers: Writers) -> None:
    for attempt in range(3):
        path = str(tmp_path / f"{attempt}.db")
        for _ in range(4):
            writers.start("create", path)
        reports = [writers.report() for _ in range(8)]
        assert sorted(word for word, _ in reports) == ["dead"] * 4 + ["pid"] * 4
        assert [status for word, status in reports if word == "dead"] == [0] * 4
        with open_ledger(path, create=False) as ledger:
            assert ledger.jobs().empty


def test_a_reader_that_polls_sees_whole_batches_and_no_error(tmp_path: Path, writers: Writers) -> None:
    path = str(tmp_path / "frontier.db")
    writers.start("write", path, "0")
    pid = writers.pid()
    try:
        assert writers.report() == ("ack", 0)
        seen = [0]
        deadline = time.monotonic() + LIMIT_SECONDS
        while seen[-1] < 100 * BATCH or len(seen) < 20:
            assert time.monotonic() < deadline, f"saw {seen}"
            with open_ledger(path, read_only=True) as reader:
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
    with open_ledger(path, read_only=True) as reader:
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
