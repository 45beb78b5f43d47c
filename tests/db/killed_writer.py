"""A process whose children use a ledger and can be killed at any instant.

Each line of standard input is a task: `write DATABASE FIRST_BATCH`, `create DATABASE`, or
`claim DATABASE LEASE_SECONDS DIES_AFTER`. A fork carries it out and reports on standard output: `pid N`, `ack N` for
every batch committed. The line `wait` has it wait for all children and report `dead STATUS` for each. Forking spares
every child the imports, so that a kill falls on the work and not on the start of an interpreter.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from random import Random

import psycopg  # noqa: F401  here, as otherwise every child would import it by itself

from frontier.db import Evaluation, Ledger, open_ledger
from frontier.errors import InputError

JOB = "5eed01"
BATCH = 5
CLAIM_PAUSE_S = 0.02


def say(text: str) -> None:
    """One line, in one system call: what was said is said."""
    os.write(1, f"{text}\n".encode())


def batch_of(number: int) -> list[Evaluation]:
    """Batch `number`: any two differ, and their points move the front now and then."""
    return [
        Evaluation(
            architecture={"batch": number, "row": row},
            digest=f"{number:06}-{row}",
            fidelity="inherited",
            state="complete",
            val_loss=float((number * 7 + row * 13) % 101),
            latency_ms=float((number * 11 + row * 5) % 97),
        )
        for row in range(BATCH)
    ]


def write(database: str, first: str) -> None:
    """Record batches for ever, from `first` on."""
    ledger = open_ledger(database)
    try:
        ledger.job(JOB)
    except InputError:
        ledger.create_job(
            job_id=JOB, name="killed", config={}, space={}, run_dir="r", objectives=["val_loss", "latency_ms"]
        )
    number = int(first)
    while True:
        ledger.record(JOB, batch_of(number))
        say(f"ack {number}")
        number += 1


def create(database: str) -> None:
    """Open a ledger that may not be there yet."""
    open_ledger(database).close()


def claim(database: str, lease_s: str, dies_after: str) -> None:
    """Run the queue's jobs, one event each, until all are done; die holding a job after so many (never: -1)."""
    ledger, name, claimed = open_ledger(database, create=False), f"w{os.getpid()}", 0
    pauses = Random(os.getpid())
    while True:
        job = ledger.claim_job(name, float(lease_s))
        if job is None:
            if set(ledger.jobs()["state"]) == {"done"}:
                return
            time.sleep(CLAIM_PAUSE_S * pauses.random())
            continue
        claimed += 1
        if claimed == int(dies_after):
            os.kill(os.getpid(), signal.SIGKILL)
        finish(ledger, job.id, name)


def finish(ledger: Ledger, job_id: str, name: str) -> None:
    """What running a job is here: to say so once, and to let it go as done."""
    ledger.add_event(job_id, "done", "ran", name)
    assert ledger.release(job_id, name, "done"), "another has the job before its lease is over"


TASKS = {"write": write, "create": create, "claim": claim}


def main() -> None:
    """Carry out tasks until standard input ends."""
    running: list[int] = []
    for line in sys.stdin:
        task, *arguments = line.rstrip("\n").split("\t")
        if task == "wait":
            for pid in running:
                say(f"dead {os.waitpid(pid, 0)[1]}")
            running = []
            continue
        pid = os.fork()
        if pid == 0:
            TASKS[task](*arguments)
            os._exit(0)
        say(f"pid {pid}")
        running.append(pid)


if __name__ == "__main__":
    main()
