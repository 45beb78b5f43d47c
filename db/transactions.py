"""How the ledger reads and writes: one short transaction at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, bindparam, delete, insert
from sqlalchemy.orm import Session

from ..errors import InputError
from .tables import Base, JobRow
from .uninterrupted import uninterrupted


class Transactions:
    """An open database. Threads may share it; processes each open their own."""

    def __init__(self, engine: Engine, url: str, *, read_only: bool) -> None:
        self._engine = engine
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
        with Session(self._engine) as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        """A write transaction: everything inside is committed, or nothing is. Interrupts wait until it has ended."""
        assert not self._closed, f"{self.url} is closed"
        assert not self._read_only, f"{self.url} was opened read-only"
        with uninterrupted(), Session(self._writer) as session, session.begin():
            yield session

    def _locked_job(self, session: Session, job_id: str) -> JobRow:
        """The job's row, locked until the transaction ends, so that a job's writers take turns on every engine.

        Raises:
            InputError: there is no such job.
        """
        row = session.get(JobRow, job_id, with_for_update=True)
        if row is None:
            raise InputError(f"job: must be in {self.url}; got {job_id!r}")
        return row


def replace(session: Session, model: type[Base], keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, each in place of the row that has the same `keys`. Of rows with equal keys the last counts."""
    latest = {tuple(row[key] for key in keys): row for row in rows}
    if not latest:
        return
    same = [getattr(model, key) == bindparam(f"same_{key}") for key in keys]
    connection = session.connection()
    connection.execute(
        delete(model).where(*same), [{f"same_{key}": row[key] for key in keys} for row in latest.values()]
    )
    connection.execute(insert(model), [dict(row) for row in latest.values()])
