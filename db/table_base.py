"""What every table is made with: named constraints, and the columns' types."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, MetaData
from sqlalchemy.orm import DeclarativeBase

from .columns import PlainText, UtcDateTime

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def one_of(column: str, words: Sequence[str]) -> CheckConstraint:
    """The column holds one of these words."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=column)


def not_negative(*columns: str) -> list[CheckConstraint]:
    """None of the columns is below zero (NULL passes)."""
    return [CheckConstraint(f"{column} >= 0", name=f"{column}_not_negative") for column in columns]


def share(*columns: str) -> list[CheckConstraint]:
    """Each column is a share of a whole, 0 to 1 (NULL passes)."""
    return [CheckConstraint(f"{column} >= 0 AND {column} <= 1", name=f"{column}_is_a_share") for column in columns]


class Base(DeclarativeBase):
    """Every table, with named constraints, so that a later migration can name what it changes."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {
        str: PlainText,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        datetime: UtcDateTime,
    }
