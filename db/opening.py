"""From the text a user names a database by to an open ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from ..errors import InputError
from .ledger import Ledger
from .postgresql import postgresql_engine
from .schema import current_revision, head_revision, migrate
from .sqlite import check_path, claim, discard_if_empty, has_log, sqlite_engine, take_log_away, use_write_ahead_log

KINDS = "a path, sqlite:///path or postgresql+psycopg://user@host/name"


@dataclass(frozen=True)
class Place:
    """Where a database is: a file for SQLite, a server's address otherwise. `url` shows no password."""

    url: str
    path: Path | None = None
    address: str = ""


def open_ledger(database: str, *, create: bool = True, read_only: bool = False) -> Ledger:
    """Open the ledger at a path, a `sqlite:///path` or a `postgresql+psycopg://...` address.

    With `create`, a missing or empty database gets its tables. With `read_only` nothing can be written, and a writer
    elsewhere is never made to wait. A failed open leaves no new file behind.

    Raises:
        InputError: one line: no such folder, not a database, permission denied, a schema that is newer or older than
            this Frontier's, nothing there to open, an address of another kind.
    """
    place = locate(database)
    with _file_ready(place, create=create, read_only=read_only):
        engine = _engine(place, read_only=read_only)
        try:
            revision = _revision(engine, database)
            if revision is None and (read_only or not create):
                raise InputError(f"database: must hold a ledger, this one is empty; got {database!r}")
            if revision is None:
                _migrate(place)
            elif revision != head_revision():
                raise InputError(
                    f"database: schema revision {revision} is older than this Frontier's (head {head_revision()}); "
                    f"run: frontier db upgrade --db {database}"
                )
            if place.path is not None and not read_only:
                # At every opening, as the process that made the tables may have died before it came to this.
                use_write_ahead_log(place.path)
                _revision(engine, database)  # joins the log: a reader who may not write needs one who has
        except BaseException:
            engine.dispose()
            raise
        return Ledger(engine, place.url, read_only=read_only)


def upgrade(database: str) -> tuple[str | None, str]:
    """Bring a database to this Frontier's schema; a missing or empty one gets its tables.

    Returns:
        The revision it had (None: it was empty) and the one it has now.

    Raises:
        InputError: as `open_ledger`.
    """
    place = locate(database)
    with _file_ready(place, create=True, read_only=False):
        engine = _engine(place, read_only=False)
        try:
            before = _revision(engine, database)
        finally:
            engine.dispose()
        if before != head_revision():
            _migrate(place)
    return before, head_revision()


def locate(database: str) -> Place:
    """Read a database's name. Raises InputError where it is of a kind that Frontier does not keep its ledger in."""
    if not database:
        raise InputError(f"database: must be {KINDS}; got {database!r}")
    if "://" not in database:
        return _file(database)
    try:
        url = make_url(database)
    except (ArgumentError, ValueError):
        raise InputError(f"database: must be {KINDS}; got {database!r}") from None
    if url.drivername == "sqlite" and url.database not in (None, "", ":memory:") and not url.query and not url.host:
        return _file(str(url.database))
    if url.drivername in ("postgresql", "postgresql+psycopg"):
        url = url.set(drivername="postgresql+psycopg")
        return Place(url.render_as_string(hide_password=True), None, url.render_as_string(hide_password=False))
    raise InputError(f"database: must be {KINDS}; got {url.render_as_string(hide_password=True)!r}")


def _file(name: str) -> Place:
    path = Path(name).absolute()
    return Place(f"sqlite:///{path}", path)


@contextmanager
def _file_ready(place: Place, *, create: bool, read_only: bool) -> Iterator[None]:
    """A file to open where there may be one; a file made here goes again if what follows fails."""
    path = place.path
    made = logged = False
    if path is not None:
        if not check_path(path, read_only=read_only):
            if read_only or not create:
                raise InputError(f"database: must exist; got {str(path)!r}")
            made = claim(path)
        logged = has_log(path)
    try:
        yield
    except BaseException as error:
        if path is not None and made:
            discard_if_empty(path)
        elif path is not None and not logged:
            take_log_away(path)
        if isinstance(error, (DBAPIError, sqlite3.Error)):
            raise InputError(f"database: {_reason(error, read_only=read_only)}; got {place.url!r}") from None
        raise


def _reason(error: DBAPIError | sqlite3.Error, *, read_only: bool) -> str:
    said = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
    if read_only and said in ("attempt to write a readonly database", "unable to open database file"):
        return "its log cannot be read, so a writer must have it open or its folder be writable"
    return f"cannot be opened ({said})"


def _engine(place: Place, *, read_only: bool, foreign_keys: bool = True) -> Engine:
    if place.path is not None:
        return sqlite_engine(place.path, "ro" if read_only else "rw", foreign_keys=foreign_keys)
    return postgresql_engine(place.address, place.url, read_only=read_only)


def _revision(engine: Engine, database: str) -> str | None:
    with engine.connect() as connection:
        return current_revision(connection, database)


def _migrate(place: Place) -> None:
    # Without foreign keys, as altering a SQLite table rebuilds it, which would strike every row that refers to it.
    engine = _engine(place, read_only=False, foreign_keys=False)
    try:
        migrate(engine)
    finally:
        engine.dispose()
