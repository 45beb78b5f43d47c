"""All that only SQLite needs: is the path usable, how a connection is set up, how a transaction begins."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

from ..errors import InputError
from .columns import to_json_text
from .mounts import OVER_A_NETWORK, file_system_of

BUSY_SECONDS = 30.0
CACHE_KIB = 64 * 1024  # of pages, per connection; the default of 2 MB is less than one large front touches

Mode = Literal["ro", "rw"]


def sqlite_engine(path: Path, mode: Mode, *, foreign_keys: bool = True) -> Engine:
    """An engine on a file that exists. Mode "ro" cannot write, by SQLite's own promise; neither mode makes a file."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,  # else the driver begins transactions by itself, and later than we ask
            check_same_thread=False,  # the pool hands a connection to one thread at a time
        )
        try:
            # FULL, not NORMAL: in WAL mode only FULL keeps a committed batch through a power cut.
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        except sqlite3.Error:
            connection.close()  # now, not when the error's traceback is forgotten: closing takes the log away
            raise
        return connection

    engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=QueuePool, json_serializer=to_json_text)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    # A transaction that reads first and then writes fails at once, whatever the timeout, when another writer came
    # between. Taking the write lock at the start waits for it instead.
    options = connection.get_execution_options()
    if options.get("outside_transactions", False):
        return
    writing = options.get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def use_write_ahead_log(path: Path) -> None:
    """Put the file into WAL mode, in which readers and the writer do not wait for each other. It stays so.

    Raises:
        InputError: the file system cannot do it (a network file system, most likely).
    """
    deadline = time.monotonic() + BUSY_SECONDS
    with closing(_plain_connection(path)) as connection:
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
                break
            except sqlite3.OperationalError as error:
                # Of several processes that switch a file at once SQLite lets one through and does not wait for it.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
    if mode != "wal":
        raise InputError(f"database: its file system must allow a write-ahead log; got {str(path)!r}")


def has_log(path: Path) -> bool:
    """Whether someone has the file open in WAL mode, or died while it was."""
    return path.with_name(f"{path.name}-wal").exists()


def take_log_away(path: Path) -> None:
    """Remove the empty log that a read-only connection made and could not remove, where nobody else uses it."""
    with suppress(sqlite3.Error), closing(_plain_connection(path)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master")


def _plain_connection(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def check_path(path: Path, *, read_only: bool) -> bool:
    """Whether the file exists, where it (or its folder) may be used as asked.

    It asks the file system only: opening and closing the file here would drop the locks that this process's other
    connections hold on it.

    Raises:
        InputError: no such folder, not a file, or permission denied.
    """
    kind = file_system_of(path.parent.resolve())
    if kind in OVER_A_NETWORK:
        raise InputError(
            f"database: a file must be on a disk of this machine, or use PostgreSQL; this is {kind}; got {str(path)!r}"
        )
    try:
        exists = _check_kind(path)
    except PermissionError:
        raise InputError(f"database: permission denied on the way to the file; got {str(path)!r}") from None
    access = os.R_OK if read_only else os.R_OK | os.W_OK
    if exists and not _may(path, access):
        needed = "read" if read_only else "read and write"
        raise InputError(f"database: permission denied, the file must be open to {needed}; got {str(path)!r}")
    if not read_only and not _may(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"database: permission denied, its folder must be writable (for the log); got {str(path)!r}")
    return exists


def _check_kind(path: Path) -> bool:
    try:
        if not stat.S_ISDIR(path.parent.stat().st_mode):
            raise InputError(f"database: its folder is no folder; got {str(path)!r}")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"database: its folder does not exist; got {str(path)!r}") from None
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise InputError(f"database: must be a file, this is a folder; got {str(path)!r}")
    if not stat.S_ISREG(mode):
        raise InputError(f"database: must be a regular file; got {str(path)!r}")
    return True


def _may(path: Path, access: int) -> bool:
    return os.access(path, access, effective_ids=os.access in os.supports_effective_ids)


def claim(path: Path) -> bool:
    """Make an empty file; False where another process made it first."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        return False
    return True


def discard_if_empty(path: Path) -> None:
    """Take back a file that `claim` made and nothing was written to."""
    with suppress(FileNotFoundError):
        if path.stat().st_size == 0:
            path.unlink()
