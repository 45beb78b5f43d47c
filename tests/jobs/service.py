"""A controller for the length of a block, and what there is to wait for in its ledger."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml
from conftest import SMALL_JOB, frontier_command

from frontier.jobs.controller import Controller, Places, Settings

LIMIT_SECONDS = 180
QUICK = Settings(lease_s=5.0, poll_s=0.05, grace_s=60.0)
# Long enough that it can be interrupted while it trains.
TINY_JOB: dict[str, Any] = {
    **SMALL_JOB,
    "name": "tiny",
    "device": {**SMALL_JOB["device"], "validation_models": 0},
    "training": {**SMALL_JOB["training"], "steps": 60, "report_every": 2, "checkpoint_every": 4},
    "search": {"evaluations": 8, "population": 4, "workers": 1},
    "finalists": {"count": 1, "steps": 8, "batch_size": 4, "workers": 1},
}
BRIEF_JOB: dict[str, Any] = {**TINY_JOB, "training": {**TINY_JOB["training"], "steps": 16}}


def copied_ledger(source: Path, folder: Path) -> Path:
    """A ledger with all that another holds, its device's kernels among them."""
    path = folder / "service.db"
    with closing(sqlite3.connect(source)) as theirs, closing(sqlite3.connect(path)) as ours:
        theirs.backup(ours)
    return path


def places(db: Path) -> Places:
    """Where a controller of a ledger in a folder of its own finds and puts things."""
    return Places(str(db), db.parent / "runs", db.parent / "exports")


@contextmanager
def controlled(db: Path, settings: Settings = QUICK) -> Iterator[Controller]:
    """A controller at work; at the end of the block it gives back what it runs."""
    controller, stop, errors = Controller(places(db), settings), threading.Event(), []

    def work() -> None:
        try:
            controller.run(stop)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="controller")
    thread.start()
    try:
        yield controller
    finally:
        stop.set()
        thread.join()
    assert errors == []


def submitted(db: Path, job: dict[str, Any], *options: object) -> str:
    """Queue a job by the command a user would type; its id."""
    job_file = db.parent / "job.yaml"
    job_file.write_text(yaml.safe_dump(job))
    process = frontier_command("submit", job_file, "--db", db, "--runs", db.parent / "runs", *options)
    out, err = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, err[-2000:]
    return out.split()[1]


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, with a limit."""
    give_up = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < give_up, f"waited {LIMIT_SECONDS} s for {what}"
        time.sleep(0.02)
