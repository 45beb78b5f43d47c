"""A process of a controller's own: started apart from its terminal, asked to end, or made to."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

# How a job's process says that it failed by what is not the job's own; the system's "temporary failure".
AGAIN = 75
INTERRUPTED = 3
FAILED = 1
DATABASE_VARIABLE = "FRONTIER_DB"


def start(module: str, database: str, *arguments: object, log: Path | None = None) -> subprocess.Popen[bytes]:
    """Run a module of this package in a process of its own, which Ctrl-C in our terminal does not reach.

    The database goes by the environment, as everybody sees arguments and it may hold a password. What the process
    prints goes to the end of `log`, or where ours goes.
    """
    with contextlib.nullcontext() if log is None else log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.{module}", *map(str, arguments)],
            env={**os.environ, DATABASE_VARIABLE: database},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def database_of_this_process() -> str:
    """The ledger that the controller works on, in a process that it started."""
    return os.environ[DATABASE_VARIABLE]


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end in its own way."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started, at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def words_for(code: int) -> str:
    """How a process ended, in a few words."""
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"
