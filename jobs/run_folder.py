"""A job's folder of files, held by one driver at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import InputError

AGAIN_SECONDS = 0.5


class HeldByAnother(InputError):
    """Another driver is running the job."""


@contextmanager
def held(folder: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the folder; the system lets go of it when the process ends, however it ends.

    Raises:
        HeldByAnother: another driver holds it, and still did after `patience_s`.
        InputError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "driver.lock").open("w")
    except OSError as error:
        raise InputError(f"{folder}: a run folder that can be written; {error.strerror}") from None
    with lock:
        give_up = time.monotonic() + patience_s
        while not _taken(lock):
            if time.monotonic() >= give_up:
                raise HeldByAnother(f"{folder}: one driver at a time; another one is running this job")
            time.sleep(AGAIN_SECONDS)
        yield


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
