"""A process whose children use a ledger and can be killed at any instant.

Each line of standard input is a task, `write PATH FIRST_BATCH` or `create PATH`; a fork carries it out and reports on
standard output: `pid N`, `ack N` for every batch committed, `dead STATUS` when it is gone. Forking spares every
child the imports, so that a kill falls on the work and not on the start of an interpreter.
"""

from __future__ import annotations

import os
import sys

from frontier.db import Evaluation, open_ledger
from frontier.errors import InputError

JOB = "5eed01"
BATCH = 5


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


def write(path: str, first: int) -> None:
    """Record batches for ever, from `first` on."""
    ledger = open_ledger(path)
    try:
        ledger.job(JOB)
    except InputError:
        ledger.create_job(
            job_id=JOB, name="killed", config={}, space={}, run_dir="r", objectives=["val_loss", "latency_ms"]
        )
    number = first
    while True:
        ledger.record(JOB, batch_of(number))
        say(f"ack {number}")
        number += 1


def main() -> None:
    """Carry out tasks until standard input ends."""
    running: list[int] = []
    for line in sys.stdin:
        task, path, *rest = line.rstrip("\n").split("\t")
        pid = os.fork()
        if pid == 0:
            if task == "write":
                write(path, int(rest[0]))
            open_ledger(path).close()
            os._exit(0)
        say(f"pid {pid}")
        running.append(pid)
        if task == "create" and len(running) < 4:
            continue
        for pid in running:
            say(f"dead {os.waitpid(pid, 0)[1]}")
        running = []


if __name__ == "__main__":
    main()
