"""What a database can fail with, told in one line: what can pass when tried again, and what cannot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from ..errors import InputError

# By primary result code (SQLite) or by class of SQLSTATE (PostgreSQL).
SQLITE_PASSES = {
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked by another process",
    sqlite3.SQLITE_FULL: "has no room left",
    sqlite3.SQLITE_IOERR: "cannot be read or written",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
}
POSTGRESQL_PASSES = {
    "08": "does not answer",
    "40": "was wanted by several at once",
    "53": "has no room left",
    "55": "is locked by another process",
    "57": "does not answer",
    "58": "cannot be read or written",
}


class LedgerUnavailable(InputError):
    """The database did not do what was asked, and may when asked again.

    Nothing of the transaction was written, unless the connection was lost while it was being committed: then it was
    written whole or not at all, and a batch recorded again is refused as a duplicate if it was.
    """


@contextmanager
def told_in_one_line(url: str) -> Iterator[None]:
    """Turn what a driver says into one line.

    Raises:
        LedgerUnavailable: locked, full, gone or failing.
        InputError: it may not be written to.
    """
    try:
        yield
    except DBAPIError as error:
        said = " ".join(str(error.orig).split())
        if _is_read_only(error):
            raise InputError(f"database: is read-only ({said}); got {url!r}") from error
        if (reason := _passing_reason(error)) is not None:
            raise LedgerUnavailable(f"database: {reason} ({said}); got {url!r}") from error
        raise


def _is_read_only(error: DBAPIError) -> bool:
    return _sqlite_code(error) == sqlite3.SQLITE_READONLY or _sqlstate(error) == "25006"


def _passing_reason(error: DBAPIError) -> str | None:
    if error.connection_invalidated:
        return "does not answer"
    if (code := _sqlite_code(error)) is not None:
        return SQLITE_PASSES.get(code)
    if (state := _sqlstate(error)) is not None:
        return POSTGRESQL_PASSES.get(state[:2])
    # The driver never got as far as a state: there is no server to have one.
    return "does not answer" if type(error.orig).__name__ == "OperationalError" else None


def _sqlite_code(error: DBAPIError) -> int | None:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
