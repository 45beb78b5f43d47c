"""What users say of architectures: notes and tags, which belong to the architecture and not to a job."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from ..errors import InputError
from . import frames
from .columns import now
from .inserting import insert_new
from .tables import ArchitectureRow, EvaluationRow, NoteRow, TagRow
from .transactions import Transactions

LONGEST_NOTE = 10_000
LONGEST_TAG = 100


class NoteLedger(Transactions):
    """The notes and tags of a ledger."""

    def add_note(self, digest: str, text: str, author: str | None = None) -> None:
        """Write a note on an architecture. Raises InputError where there is no such one, or no text."""
        said = _text("note", text, LONGEST_NOTE)
        with self._writing() as session:
            self._require_architecture(session, digest)
            session.add(NoteRow(digest=digest, text=said, author=author))

    def delete_note(self, note_id: int) -> bool:
        """Take a note away. False where there is none of that id."""
        with self._writing() as session:
            row = session.get(NoteRow, note_id)
            if row is not None:
                session.delete(row)
            return row is not None

    def notes(self, digest: str | None = None, job_id: str | None = None) -> pd.DataFrame:
        """The notes on an architecture, or on all that a job evaluated, or all of them, in the order they came."""
        query = select(*(getattr(NoteRow, name) for name in frames.NOTES)).order_by(NoteRow.id)
        if digest is not None:
            query = query.where(NoteRow.digest == digest)
        if job_id is not None:
            query = query.where(NoteRow.digest.in_(_digests_of(job_id)))
        return self._frame(frames.NOTES, query)

    def add_tag(self, digest: str, tag: str, author: str | None = None) -> None:
        """Put a tag on an architecture; one that is there stays. Raises InputError where there is no such one."""
        row = {"digest": digest, "tag": _text("tag", tag, LONGEST_TAG), "author": author, "created_at": now()}
        with self._writing() as session:
            self._require_architecture(session, digest)
            insert_new(session, TagRow, [row])

    def remove_tag(self, digest: str, tag: str) -> None:
        """Take a tag off an architecture; one that is not there is no error."""
        with self._writing() as session:
            session.execute(delete(TagRow).where(TagRow.digest == digest, TagRow.tag == tag.strip()))

    def tags(self, digest: str | None = None, job_id: str | None = None) -> pd.DataFrame:
        """The tags on an architecture, or on all that a job evaluated, or all of them."""
        query = select(*(getattr(TagRow, name) for name in frames.TAGS)).order_by(TagRow.digest, TagRow.tag)
        if digest is not None:
            query = query.where(TagRow.digest == digest)
        if job_id is not None:
            query = query.where(TagRow.digest.in_(_digests_of(job_id)))
        return self._frame(frames.TAGS, query)

    def _require_architecture(self, session: Session, digest: str) -> None:
        if session.get(ArchitectureRow, digest) is None:
            raise InputError(f"architecture: must be in {self.url}; got {digest!r}")


def _digests_of(job_id: str) -> Select[str]:
    return select(EvaluationRow.digest).where(EvaluationRow.job_id == job_id)


def _text(field: str, given: str, longest: int) -> str:
    text = given.strip()
    if not 0 < len(text) <= longest:
        raise InputError(f"{field}: 1 to {longest} characters; got {len(text)}")
    return text
