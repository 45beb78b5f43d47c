"""The tables that hold a job's rows, parents first: which rows are its own, and how they are written elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy import JSON, Boolean, Integer, Select, Table, insert, select, tuple_
from sqlalchemy.orm import Session
from sqlalchemy.types import Double

from .columns import PlainText, UtcDateTime
from .inserting import insert_new
from .tables import (
    ArchitectureRow,
    Base,
    BreakdownRow,
    CheckpointRow,
    CommandRow,
    CurveRow,
    EvaluationRow,
    EventRow,
    ExportRow,
    FrontMemberRow,
    JobRow,
    NodeRow,
    NoteRow,
    QualityRow,
    TagRow,
)

# Deleted in the other order.
OWNED: tuple[type[Base], ...] = (
    JobRow,
    EvaluationRow,
    FrontMemberRow,
    CurveRow,
    EventRow,
    BreakdownRow,
    CheckpointRow,
    ExportRow,
    QualityRow,
    NodeRow,
    CommandRow,
)
# What was asked of one ledger is not to be done by another.
STAYS: tuple[type[Base], ...] = (CommandRow,)
# What jobs share: a job's own are those of the architectures that it evaluated.
SHARED: tuple[type[Base], ...] = (ArchitectureRow, NoteRow, TagRow)

JOB_TABLES: tuple[Table, ...] = tuple(
    Base.metadata.tables[model.__tablename__] for model in (SHARED[0], *OWNED, *SHARED[1:]) if model not in STAYS
)
_MODELS: dict[str, type[Base]] = {model.__tablename__: model for model in OWNED + SHARED}
_ARROW: tuple[tuple[type, pa.DataType], ...] = (
    (UtcDateTime, pa.timestamp("us", tz="UTC")),
    (JSON, pa.string()),
    (PlainText, pa.string()),
    (Boolean, pa.bool_()),
    (Double, pa.float64()),
    (Integer, pa.int64()),
)


def arrow_schema(table: Table) -> pa.Schema:
    """The columns of a table as Parquet has them; JSON is text and says so."""
    fields = []
    for column in table.columns:
        kind = next(arrow for kind, arrow in _ARROW if isinstance(column.type, kind))
        fields.append(pa.field(column.name, kind, metadata={"json": "1"} if isinstance(column.type, JSON) else None))
    return pa.schema(fields)


def query_of(table: Table, job_id: str) -> Select[Any]:
    """A job's rows of a table, in the order of its key."""
    query = select(table).order_by(*table.primary_key.columns)
    if _MODELS[table.name] in SHARED:
        evaluated = select(EvaluationRow.digest).where(EvaluationRow.job_id == job_id)
        return query.where(table.c.digest.in_(evaluated))
    return query.where((table.c.id if table.name == "jobs" else table.c.job_id) == job_id)


def insert_rows(session: Session, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of `arrow_schema`. Shared rows that are there stay; numbers that only count rows are given anew."""
    counted = table.name != "jobs" and "id" in table.c
    texts = [column.name for column in table.columns if isinstance(column.type, JSON)]
    values = [
        {
            name: json.loads(value) if name in texts and value is not None else value
            for name, value in row.items()
            if not (counted and name == "id")
        }
        for row in rows
    ]
    if table.name == "notes":
        values = _unwritten(session, values)
    if not values:
        return
    if _MODELS[table.name] in (ArchitectureRow, TagRow):
        insert_new(session, _MODELS[table.name], values)
    else:
        session.connection().execute(insert(table), values)


def _unwritten(session: Session, notes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The notes that are not there word for word."""
    keys = [(note["digest"], note["text"]) for note in notes]
    there: set[tuple[Any, ...]] = set()
    for start in range(0, len(keys), 200):
        same = tuple_(NoteRow.digest, NoteRow.text).in_(keys[start : start + 200])
        there.update(tuple(row) for row in session.execute(select(NoteRow.digest, NoteRow.text).where(same)))
    return [note for note, key in zip(notes, keys, strict=True) if key not in there]
