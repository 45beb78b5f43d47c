"""Commands are carried out by one worker at a time, in order, and by another when their worker is gone."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from frontier.db import Command, Job, Ledger, frames
from frontier.db.ledger_commands import LONGEST_ARGUMENTS, MOST_ATTEMPTS
from frontier.db.tables import CommandRow
from frontier.errors import InputError

LIMIT_SECONDS = 30


def asked(ledger: Ledger, count: int = 1) -> list[int]:
    return [ledger.add_command("price", {"number": number}) for number in range(count)]


def abandoned(ledger: Ledger, worker: str, seconds: float = 60) -> Command | None:
    """Ask until the lease of the worker before has run out; None where nothing waits any more."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while (found := ledger.claim_command(worker, seconds)) is None:
        if "running" not in set(ledger.commands()["state"]):
            return None
        assert time.monotonic() < deadline, "nobody picks the command up"
        time.sleep(0.01)
    return found


def test_a_command_waits_runs_and_is_done(ledger: Ledger, job: Job) -> None:
    number = ledger.add_command("export", {"digest": "d", "format": "onnx", "weights": "best"}, job.id)
    waiting = ledger.command(number)
    assert (waiting.kind, waiting.job_id, waiting.state, waiting.share) == ("export", job.id, "waiting", 0.0)
    assert waiting.arguments == {"digest": "d", "format": "onnx", "weights": "best"}
    running = ledger.claim_command("w", 60)
    assert running is not None
    assert running == ledger.command(number)
    assert (running.state, running.message, running.result) == ("running", None, {})
    assert ledger.renew_command(number, "w", 60, 0.25, "loading weights")
    assert (ledger.command(number).share, ledger.command(number).message) == (0.25, "loading weights")
    assert ledger.renew_command(number, "w", 60)
    assert (ledger.command(number).share, ledger.command(number).message) == (0.25, "loading weights")
    assert ledger.finish_command(number, "w", "done", result={"folder": "f"})
    done = ledger.command(number)
    assert (done.state, done.share, done.message, done.result) == ("done", 1.0, None, {"folder": "f"})
    assert done.created_at <= done.updated_at
    assert ledger.claim_command("w", 60) is None


def test_a_failed_command_says_why(ledger: Ledger) -> None:
    (number,) = asked(ledger)
    ledger.claim_command("w", 60)
    assert ledger.finish_command(number, "w", "failed", "job file: name: must be there")
    failed = ledger.command(number)
    assert (failed.state, failed.message, failed.share) == ("failed", "job file: name: must be there", 0.0)


def test_the_oldest_first(ledger: Ledger) -> None:
    numbers = asked(ledger, 3)
    claimed = [ledger.claim_command("w", 60) for _ in range(4)]
    assert [found and found.id for found in claimed] == [*numbers, None]


def test_one_handed_back_goes_to_the_next(ledger: Ledger) -> None:
    (number,) = asked(ledger)
    for worker in "abcde":  # handing back is no failure, however often
        claimed = ledger.claim_command(worker, 60)
        assert claimed is not None
        assert ledger.finish_command(number, worker, "waiting")
    assert ledger.command(number).state == "waiting"


def test_the_listing_is_the_newest_first_and_can_be_narrowed(ledger: Ledger, job: Job) -> None:
    prices = asked(ledger, 2)
    export = ledger.add_command("export", {}, job.id)
    assert list(ledger.commands()["id"]) == [export, prices[1], prices[0]]
    assert list(ledger.commands(limit=1)["id"]) == [export]
    assert list(ledger.commands(job_id=job.id)["id"]) == [export]
    assert list(ledger.commands(kind="price")["id"]) == [prices[1], prices[0]]
    listed = ledger.commands().iloc[-1]
    assert listed["job_id"] is None
    assert listed["arguments"] == {"number": 0}
    assert dict(ledger.commands(kind="launch").dtypes) == dict(ledger.commands().dtypes)
    assert tuple(ledger.commands().columns) == tuple(frames.COMMANDS)


def test_what_is_renewed_stays_and_what_is_not_goes_to_the_next(ledger: Ledger) -> None:
    (number,) = asked(ledger)
    ledger.claim_command("first", 0.2)
    assert ledger.renew_command(number, "first", 60)
    assert ledger.claim_command("second", 60) is None
    assert ledger.renew_command(number, "first", 0.05, 0.5, "half")
    again = abandoned(ledger, "second")
    assert again is not None
    assert (again.id, again.share, again.message) == (number, 0.0, None)
    assert not ledger.renew_command(number, "first", 60)
    assert not ledger.finish_command(number, "first", "done")
    assert ledger.command(number).state == "running"


def test_after_three_attempts_it_has_failed(ledger: Ledger) -> None:
    (doomed,) = asked(ledger)
    for attempt in range(MOST_ATTEMPTS):
        taken = abandoned(ledger, f"w{attempt}", 0.01)
        assert taken is not None
        assert taken.id == doomed
    assert abandoned(ledger, "next") is None
    failed = ledger.command(doomed)
    assert failed.state == "failed"
    assert str(failed.message).startswith("given up after 3 attempts")


def test_bad_commands_are_refused(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="'nobody'"):
        ledger.add_command("export", {}, "nobody")
    with pytest.raises(InputError, match=r"arguments: at most 1,000,000 characters; got 1,000,0"):
        ledger.add_command("launch", {"job_file": "x" * LONGEST_ARGUMENTS})
    with pytest.raises(InputError, match=r"command: must be in .*; got 7"):
        ledger.command(7)
    with pytest.raises(InputError, match="worker: its name must not be empty"):
        ledger.claim_command("", 60)
    with pytest.raises(InputError, match="seconds: of a lease must be above 0"):
        ledger.claim_command("w", 0)
    assert ledger.commands().empty


BAD: dict[str, dict[str, Any]] = {
    "kind": {"kind": "sell"},
    "state": {"state": "paused"},
    "share": {"share": 1.5},
    "runs-for-nobody": {"state": "running"},
    "claimed-without-a-lease": {"state": "running", "claimed_by": "w"},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_the_database_itself_refuses(ledger: Ledger, change: dict[str, Any]) -> None:
    row = {"kind": "price", "arguments": {}, "state": "waiting", "result": {}} | change
    with pytest.raises(IntegrityError, match="ck_commands_"), ledger._writing() as session:
        session.add(CommandRow(**row))


def test_threads_that_claim_at_once_get_a_command_each(ledger: Ledger) -> None:
    numbers = asked(ledger, 16)
    got: list[int] = []
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            while (found := ledger.claim_command(name, 60)) is not None:
                got.append(found.id)
                ledger.finish_command(found.id, name, "done")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=LIMIT_SECONDS)
    assert errors == []
    assert sorted(got) == numbers
