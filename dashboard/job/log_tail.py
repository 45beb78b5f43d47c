"""The end of the log that a driver writes into its job's run folder, and of nothing else."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

LOG_FILE = "driver.log"
MOST_BYTES = 16 * 1024
MOST_LINES = 200


@dataclass(frozen=True)
class LogTail:
    """The last lines of a log. `whole` says whether they are all there are."""

    path: str
    size_bytes: int
    written_at: datetime
    lines: tuple[str, ...]
    whole: bool


def log_tail(run_dir: str) -> LogTail | None:
    """The last lines of a run folder's log, however long it is; None where there is none that can be read.

    A ledger may come from elsewhere and name any folder: only a plain file of the one name is opened, no link and
    nothing that would block.
    """
    if not Path(run_dir).is_absolute():
        return None
    path = Path(run_dir) / LOG_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return None
        end = os.pread(descriptor, MOST_BYTES, max(0, found.st_size - MOST_BYTES))
    finally:
        os.close(descriptor)
    lines = end.decode("utf-8", "replace").splitlines()
    cut = found.st_size > MOST_BYTES
    shown = lines[1:] if cut and len(lines) > 1 else lines
    return LogTail(
        path=str(path),
        size_bytes=found.st_size,
        written_at=datetime.fromtimestamp(found.st_mtime, UTC),
        lines=tuple(shown[-MOST_LINES:]),
        whole=not cut and len(shown) <= MOST_LINES,
    )
