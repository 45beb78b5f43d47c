"""Ctrl-C and SIGTERM in the middle of a write: the write ends first, and the next one finds no lock."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from frontier.db import ledger_jobs, open_ledger
from frontier.db.uninterrupted import uninterrupted


def raise_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def interrupt(request: pytest.FixtureRequest) -> Any:
    before = signal.signal(request.param, raise_interrupt)
    yield request.param
    signal.signal(request.param, before)


def test_an_interrupt_waits_for_the_end_of_the_block(interrupt: signal.Signals) -> None:
    reached = []

    def interrupted_inside() -> None:
        with uninterrupted():
            signal.raise_signal(interrupt)
            reached.append("the end of the block")

    with pytest.raises(KeyboardInterrupt):
        interrupted_inside()
    assert reached
    assert signal.getsignal(interrupt) is raise_interrupt


def test_a_write_that_is_interrupted_is_there_and_leaves_no_lock(
    interrupt: signal.Signals, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    right_time = ledger_jobs.now

    def now_and_interrupt() -> Any:
        signal.raise_signal(interrupt)
        return right_time()

    with open_ledger(str(tmp_path / "frontier.db")) as ledger:
        job = {"name": "j", "config": {}, "space": {}, "run_dir": str(tmp_path), "objectives": ["val_loss"]}
        monkeypatch.setattr(ledger_jobs, "now", now_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            ledger.create_job(job_id="first", **job)
        monkeypatch.setattr(ledger_jobs, "now", right_time)
        ledger.create_job(job_id="second", **job)
        assert set(ledger.jobs()["id"]) == {"first", "second"}
