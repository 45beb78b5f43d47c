"""Inserting many rows at once, also where some may be there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Insert, bindparam, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from .tables import Base

Rows = Sequence[Mapping[str, Any]]

# How each engine says "unless it is there".
UNLESS_THERE: dict[str, Callable[[type[Base]], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def insert_all(session: Session, model: type[Base], rows: Rows) -> None:
    """Insert rows of plain values in the order given; all have the columns of the first."""
    if not rows:
        return
    names = tuple(rows[0])
    if session.get_bind().dialect.name == "postgresql":
        arrays = {name: [row[name] for row in rows] for name in names}
        session.connection().execute(_from_arrays(model, names), arrays)
    else:
        session.connection().execute(insert(model), [dict(row) for row in rows])


@cache
def _from_arrays(model: type[Base], names: tuple[str, ...]) -> Insert:
    """One statement for any number of rows, an array for each column: with one a row the server works twice as long."""
    columns = model.__table__.c
    arrays = [bindparam(name, type_=postgresql.ARRAY(columns[name].type, dimensions=1)) for name in names]
    return insert(model).from_select(names, select(*(func.unnest(array) for array in arrays)))


def insert_new(session: Session, model: type[Base], rows: Rows) -> None:
    """Insert the rows whose key is not there; the others stay as they are, whoever wrote them first."""
    if rows:
        statement = UNLESS_THERE[session.get_bind().dialect.name](model).on_conflict_do_nothing()
        session.connection().execute(statement, [dict(row) for row in rows])


def replace(session: Session, model: type[Base], keys: Sequence[str], rows: Rows) -> None:
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
