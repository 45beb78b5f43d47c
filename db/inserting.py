"""Inserting rows where some may be there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from .tables import Base

# How each engine says "unless it is there".
UNLESS_THERE: dict[str, Callable[[type[Base]], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def insert_new(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose key is not there; the others stay as they are, whoever wrote them first."""
    if rows:
        statement = UNLESS_THERE[session.get_bind().dialect.name](model).on_conflict_do_nothing()
        session.connection().execute(statement, [dict(row) for row in rows])


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
