"""From the columns of a file to those of a canonical table, every value checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...errors import InputError
from .kind import Derived, TableKind

# Up to here every whole number is a float64 of its own.
GREATEST_WHOLE = 2**53
NO_NUMBERS = "bMm"  # numpy's kinds of truth values and times, which convert to numbers without being any


def text(file: str, rows: pd.DataFrame, column: str, words: Mapping[str, str] | None = None) -> pd.Series[str]:
    """A column of texts; with `words`, each of them one of these and called what they say.

    Raises:
        InputError: a value is missing, empty or none of the words.
    """
    raw = rows[column]
    _refuse(file, column, "a text", raw, raw.isna() | (raw.astype("str") == ""))
    values = raw.astype("str")
    if words is None:
        return values
    _refuse(file, column, f"one of {', '.join(words)}", raw, ~values.isin(list(words)))
    return values.map(dict(words)).astype("str")


def whole(file: str, rows: pd.DataFrame, column: str, least: int) -> pd.Series[int]:
    """A column of whole numbers, none below `least`. Raises InputError with the first value that is none."""
    numbers = _numbers(rows[column])
    rule = f"a whole number from {least} to 2^53"
    with np.errstate(invalid="ignore"):
        good = (numbers >= least) & (numbers <= GREATEST_WHOLE) & (numbers % 1 == 0)
    _refuse(file, column, rule, rows[column], ~good)
    return numbers.astype("int64")


def positive(file: str, rows: pd.DataFrame, column: str) -> pd.Series[float]:
    """A column of finite numbers above 0. Raises InputError with the first value that is none."""
    numbers = _numbers(rows[column])
    _refuse(file, column, "a finite number above 0", rows[column], ~((numbers > 0) & np.isfinite(numbers)))
    return numbers


def canonical(
    file: str, kind: TableKind, rows: pd.DataFrame, columns: Mapping[str, str | Derived], latency: tuple[str, float]
) -> pd.DataFrame:
    """The call and latency of every row; `latency` names its column and how many microseconds one of its units is.

    Raises:
        InputError: the first value that breaks a rule, with its file, column and row.
    """
    labels = {
        label: text(file, rows, source, kind.words.get(label))
        for label in kind.labels
        if isinstance(source := columns[label], str)
    }
    shape = {}
    for name in kind.shape:
        source = columns[name]
        if isinstance(source, str):
            shape[name] = whole(file, rows, source, kind.least.get(name, 1))
        else:
            parts = {column: whole(file, rows, column, 0) for column in source.columns}
            shape[name] = source.of(pd.DataFrame({**labels, **parts}))
            wrong = shape[name] < kind.least.get(name, 1)
            _refuse(file, " and ".join(source.columns), f"such that {name} is above 0", shape[name], wrong)
    column, microseconds = latency
    return pd.DataFrame({**shape, **labels, "latency_us": positive(file, rows, column) * microseconds})


def check_fixed(file: str, kind: TableKind, rows: pd.DataFrame) -> None:
    """Refuse a published table that tells calls apart by what `kind` has no column for. Raises InputError."""
    for column, only in kind.fixed.items():
        if column in rows:
            _refuse(file, column, f"{only} in a table of {kind.name}", rows[column], _numbers(rows[column]) != only)


def _numbers(raw: pd.Series[Any]) -> pd.Series[float]:
    """Each value as a number, NaN where it is none."""
    if raw.dtype.kind in NO_NUMBERS:
        return pd.Series(np.nan, index=raw.index)
    return pd.to_numeric(raw, errors="coerce").astype("float64")


def _refuse(file: str, column: str, rule: str, raw: pd.Series[Any], wrong: pd.Series[bool]) -> None:
    """Raise where a row is wrong, with the first of them; a file's rows count from 1, its header not among them."""
    if not wrong.any():
        return
    first, row = raw[wrong].iloc[0], int(raw[wrong].index[0]) + 1
    value = first.item() if isinstance(first, np.generic) else first
    others = f" (and {wrong.sum() - 1} more rows)" if wrong.sum() > 1 else ""
    raise InputError(f"{file}: {column}: {rule}; got {value!r} in row {row}{others}")
