"""The process of killed_writer.py as tests use it, and what must hold of a ledger whatever was killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from frontier.db import Ledger

BATCH = 5
JOB = "5eed01"


class Writers:
    """The process, and its reports."""

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
        self.start("wait")
        acknowledged = []
        while (report := self.report())[0] != "dead":
            acknowledged.append(report[1])
        return acknowledged

    def statuses(self, count: int) -> list[int]:
        """How each of `count` children ended, 0 where well."""
        self.start("wait")
        ended: list[int] = []
        while len(ended) < count:
            word, number = self.report()
            ended += [number] if word == "dead" else []
        return ended


@contextmanager
def started_writers(limit_seconds: float) -> Iterator[Writers]:
    """The process, killed with all its children at the end or when the time is up: a hang must fail, not last."""
    script = str(Path(__file__).with_name("killed_writer.py"))
    process = subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    alarm = threading.Timer(limit_seconds, os.killpg, (process.pid, signal.SIGKILL))
    alarm.start()
    try:
        yield Writers(process.stdin, process.stdout)
    finally:
        alarm.cancel()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def integrity(path: str) -> list[tuple[str]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return connection.execute("PRAGMA integrity_check").fetchall()


def check_rows(ledger: Ledger, acknowledged: set[int]) -> int:
    """Whole batches in order, none twice, every acknowledged one among them. Returns how many there are."""
    frame = ledger.evaluations(JOB)
    digests = list(frame["digest"])
    assert len(digests) == len(set(digests)), "recorded twice"
    assert len(digests) % BATCH == 0, "half a batch"
    assert list(frame["seq"]) == list(range(1, len(digests) + 1))
    kept = len(digests) // BATCH
    assert digests == [f"{number:06}-{row}" for number in range(kept) for row in range(BATCH)]
    assert acknowledged <= set(range(kept)), "an acknowledged batch is lost"
    assert ledger.jobs()["evaluations"][0] == len(digests), "the counter is not the count"
    return kept


def check_front(ledger: Ledger) -> None:
    frame = ledger.evaluations(JOB)
    points = list(zip(frame["val_loss"], frame["latency_ms"], strict=True))
    # Of equal points the first stays; sorted by both, who comes later must be better in the second to be on the front.
    best, expected = float("inf"), set()
    for i in sorted(range(len(points)), key=lambda i: (points[i], i)):
        if points[i][1] < best:
            best = points[i][1]
            expected.add(frame["digest"][i])
    assert set(ledger.front(JOB)["digest"]) == expected
    assert ledger.jobs()["front_size"][0] == len(expected)
