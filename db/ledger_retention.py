"""Taking things out of the ledger: a job with all that is its own, and what nothing refers to any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, select, text

from ..errors import InputError
from .failures import told_in_one_line
from .job_tables import OWNED
from .tables import (
    ArchitectureRow,
    Base,
    BreakdownRow,
    CheckpointRow,
    EvaluationRow,
    ExportRow,
    JobRow,
    NoteRow,
    TagRow,
)
from .transactions import Transactions, clock

AT_ONCE = 5000  # architectures of one transaction, so that a writer does not wait long
# Neither engine compacts inside a transaction.
OUTSIDE_TRANSACTIONS: dict[str, dict[str, Any]] = {
    "sqlite": {"outside_transactions": True},
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
}
COMPACTING = {
    "sqlite": ("VACUUM", "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"),
    "postgresql": ("VACUUM (ANALYZE)",),
}
REFERRING: tuple[type[Base], ...] = (EvaluationRow, BreakdownRow, CheckpointRow, ExportRow, NoteRow, TagRow)


@dataclass(frozen=True)
class Vacuumed:
    """What a vacuum takes out (or would): architectures that nothing refers to, and bytes that the file gives back.

    `freed_bytes` of a dry run leaves the architectures' own out; None where the server does not say.
    """

    architectures: int
    freed_bytes: int | None


class RetentionLedger(Transactions):
    """The taking out of a ledger."""

    def delete_job(self, job_id: str, *, force: bool = False, dry_run: bool = False) -> dict[str, int]:
        """Delete a job and every row that is its own. Its architectures stay for others until a vacuum.

        Returns:
            How many rows of each table go (or with `dry_run` would).

        Raises:
            InputError: no such job; or it runs, or is claimed, and `force` is not given.
        """
        with self._reading() if dry_run else self._writing() as session:
            job = session.get(JobRow, job_id) if dry_run else self._locked_job(session, job_id)
            if job is None:
                raise InputError(f"job: must be in {self.url}; got {job_id!r}")
            if not force and (job.state == "running" or (job.lease_until and job.lease_until > clock(session))):
                held = f", by {job.claimed_by}" if job.claimed_by else ""
                raise InputError(f"job: must not be running{held} (or be deleted by force); got {job_id!r}")
            counts = {}
            for model in reversed(OWNED):
                own = _of_job(model, job_id)
                counts[model.__tablename__] = session.scalar(select(func.count()).select_from(model).where(own)) or 0
                if not dry_run:
                    session.execute(delete(model).where(own), execution_options={"synchronize_session": False})
            return counts

    def vacuum(self, *, dry_run: bool = False) -> Vacuumed:
        """Delete architectures that nothing refers to, and give the space of what was deleted back to the system.

        Those with a note or a tag stay. Readers go on meanwhile; a writer may wait, on SQLite for as long as it takes
        to write the file anew.
        """
        if dry_run:
            with self._reading() as session:
                count = session.scalar(select(func.count()).select_from(ArchitectureRow).where(_is_orphan())) or 0
                return Vacuumed(count, _bytes(session.connection(), "freelist_count"))
        deleted = 0
        while found := self._delete_orphans():
            deleted += found
        return Vacuumed(deleted, self._compact())

    def _delete_orphans(self) -> int:
        with self._writing() as session:
            if session.get_bind().dialect.name == "postgresql":
                # Nobody may come to refer to an architecture between our looking and our deleting.
                session.execute(text("LOCK TABLE architectures IN SHARE ROW EXCLUSIVE MODE"))
            orphans = select(ArchitectureRow.digest).where(_is_orphan()).limit(AT_ONCE)
            gone = list(session.scalars(orphans))
            for start in range(0, len(gone), 500):
                part = ArchitectureRow.digest.in_(gone[start : start + 500])
                session.execute(delete(ArchitectureRow).where(part), execution_options={"synchronize_session": False})
            return len(gone)

    def _compact(self) -> int | None:
        engine = self._engine.dialect.name
        outside = self._engine.execution_options(**OUTSIDE_TRANSACTIONS[engine])
        with told_in_one_line(self.url), outside.connect() as connection:
            before = _bytes(connection, "page_count")
            for statement in COMPACTING[engine]:
                connection.exec_driver_sql(statement)
            after = _bytes(connection, "page_count")
        return None if before is None or after is None else max(0, before - after)


def _bytes(connection: Connection, pages: str) -> int | None:
    """A count of pages of a SQLite file in bytes; None of a server, which does not say."""
    if connection.dialect.name != "sqlite":
        return None
    count, size = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in (pages, "page_size"))
    return int(count) * int(size)


def _of_job(model: type[Base], job_id: str) -> ColumnElement[bool]:
    column: ColumnElement[str] = model.__table__.c["id" if model is JobRow else "job_id"]
    return column == job_id


def _is_orphan() -> ColumnElement[bool]:
    return and_(*(~exists().where(model.__table__.c["digest"] == ArchitectureRow.digest) for model in REFERRING))
