"""How the ledger reads and writes: one short transaction at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Engine, Select, func, select
from sqlalchemy.orm import Session

from ..errors import InputError
from . import frames
from .columns import now
from .failures import told_in_one_line
from .tables import JobRow
from .uninterrupted import uninterrupted

# In PostgreSQL every statement sees its own moment unless told otherwise; in SQLite a transaction is one view.
ONE_VIEW: dict[str, dict[str, Any]] = {
    "sqlite": {},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}


class Transactions:
    """An open database. Threads may share it; processes each open their own."""

    def __init__(self, engine: Engine, url: str, *, read_only: bool) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**ONE_VIEW[engine.dialect.name])
        self._writer = engine.execution_options(writing=True)
        self._read_only = read_only
        self._closed = False
        self.url = url

    def close(self) -> None:
        """Close every connection. What was committed is in the file."""
        self._closed = True
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        """One consistent view of the database. Fetch inside, build outside: a view kept open holds up checkpoints."""
        assert not self._closed, f"{self.url} is closed"
        with told_in_one_line(self.url), Session(self._reader) as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        """A write transaction: everything inside is committed, or nothing is. Interrupts wait until it has ended."""
        assert not self._closed, f"{self.url} is closed"
        assert not self._read_only, f"{self.url} was opened read-only"
        with told_in_one_line(self.url), uninterrupted(), Session(self._writer) as session, session.begin():
            yield session

    def _frame(self, columns: frames.Columns, query: Select[*tuple[Any, ...]]) -> pd.DataFrame:
        """A query's rows, whose columns come in the order of `columns`."""
        with self._reading() as session:
            rows = session.connection().execute(query).all()  # plain rows: a session would look for objects in each
        return frames.frame(columns, rows)

    def _locked_job(self, session: Session, job_id: str) -> JobRow:
        """The job's row, locked until the transaction ends, so that a job's writers take turns on every engine.

        Raises:
            InputError: there is no such job.
        """
        row = session.get(JobRow, job_id, with_for_update=True)
        if row is None:
            raise InputError(f"job: must be in {self.url}; got {job_id!r}")
        return row


def clock(session: Session) -> datetime:
    """The database's own time, the same for every machine that uses it. A SQLite file has one machine."""
    if session.get_bind().dialect.name == "sqlite":
        return now()
    moment = session.scalar(select(func.clock_timestamp()))
    assert moment is not None, "the server's clock says nothing"
    return moment
