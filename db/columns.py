"""Column types that mean the same on every engine: UTC times and JSON without NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. Aware times only, stored in UTC, aware when they leave: SQLite itself forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; without the zone where the engine cannot hold one."""
        if value is None:
            return None
        assert value.tzinfo is not None, f"a time needs its zone; got {value!r}"
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To an aware time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class PlainText(TypeDecorator[str]):
    """Text that every engine can hold: what UTF-8 or PostgreSQL has no place for is written out, as in \\x00."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """As `storable` says."""
        return storable(value)


def storable(value: str | None) -> str | None:
    """Text with its zero characters and halves of surrogate pairs escaped, which broken outputs bring along."""
    if value is None or (value.isascii() and "\x00" not in value):
        return value
    return value.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


def real(value: float | None) -> float | None:
    """A number for a column: plain float, NaN as not known (SQLite would do so by itself, PostgreSQL would not)."""
    return None if value is None or math.isnan(value) else float(value)


def whole(value: int | None) -> int | None:
    """A whole number for a column: a plain int, as drivers store numpy's integers as bytes."""
    return None if value is None else int(value)


def to_json_text(value: Any) -> str:
    """JSON text of plain data, NaN as null.

    Raises:
        ValueError: an infinity, which JSON cannot say.
    """
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    except ValueError:  # most has no NaN, and looking for it takes longer than the writing
        return json.dumps(_without_nan(value), allow_nan=False, ensure_ascii=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
