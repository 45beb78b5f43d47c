"""What a file holds, told by its header: a published table of one kind, or the user's own measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NoReturn

import pandas as pd

from ...errors import InputError
from .columns import canonical, check_fixed, text
from .kind import Derived, TableKind

# What every published table says of a row, whatever its kind. Latency is in milliseconds.
PUBLISHED_COLUMNS = ("framework", "version", "device", "op_name", "kernel_source", "latency")
# What every row of one's own says, beside its kind's columns. Latency is in microseconds.
GENERIC_COLUMNS = ("kind", "device", "runtime", "latency_us")


def read_rows(file: str, rows: pd.DataFrame, kinds: Mapping[str, TableKind]) -> dict[str, pd.DataFrame]:
    """The rows of a file by kind: canonical columns, and `device`. The index counts the file's rows from 0.

    Raises:
        InputError: the header is that of no kind, or a value breaks a rule.
    """
    if "kind" in rows and "latency_us" in rows:
        return dict(_generic(file, rows, kinds))
    kind = _published_kind(file, rows, kinds)
    check_fixed(file, kind, rows)
    frame = canonical(file, kind, rows, kind.published, ("latency", 1000.0))
    parts = [text(file, rows, column) for column in ("framework", "version", "kernel_source")]
    frame["runtime"] = (parts[0] + " " + parts[1] + " " + parts[2]).astype("str")
    frame["device"] = text(file, rows, "device")
    return {kind.name: frame}


def needed(kind: TableKind) -> tuple[str, ...]:
    """The columns a published table of this kind has."""
    own: list[str] = []
    for source in kind.published.values():
        own += source.columns if isinstance(source, Derived) else [source]
    return tuple(dict.fromkeys((*own, *PUBLISHED_COLUMNS)))


def _generic(file: str, rows: pd.DataFrame, kinds: Mapping[str, TableKind]) -> Iterator[tuple[str, pd.DataFrame]]:
    _require(file, rows, GENERIC_COLUMNS, "a table of one's own")
    named = text(file, rows, "kind", {name: name for name in kinds})
    for name in named.unique():
        kind, own = kinds[name], rows[named == name]
        _require(file, rows, kind.call, f"a row of {name}")
        frame = canonical(file, kind, own, {column: column for column in kind.call}, ("latency_us", 1.0))
        yield name, frame.assign(runtime=text(file, own, "runtime"), device=text(file, own, "device"))


def _published_kind(file: str, rows: pd.DataFrame, kinds: Mapping[str, TableKind]) -> TableKind:
    fitting = [kind for kind in kinds.values() if not _lacking(kind, rows)]
    if not fitting:
        _refuse_header(file, rows, kinds)
    ops = {op: op for kind in fitting for op in kind.op_names}
    first = text(file, rows.head(1), "op_name", ops).iloc[0]
    kind = next(kind for kind in fitting if first in kind.op_names)
    text(file, rows, "op_name", {op: op for op in kind.op_names})
    return kind


def _lacking(kind: TableKind, rows: pd.DataFrame) -> list[str]:
    return [column for column in needed(kind) if column not in rows]


def _refuse_header(file: str, rows: pd.DataFrame, kinds: Mapping[str, TableKind]) -> NoReturn:
    """Name the kind that has most of its columns here, and those that are not."""
    if not any(column in rows for kind in kinds.values() for column in needed(kind)):
        raise InputError(
            f"{file}: a header with the columns of a kind of table ({', '.join(kinds)}), or of a table of one's own; "
            f"got {', '.join(map(str, rows.columns[:8]))}"
        )
    nearest = min(kinds.values(), key=lambda kind: len(_lacking(kind, rows)))
    raise InputError(
        f"{file}: a header with the columns of a kind of table; {nearest.name} comes nearest; got none of its columns "
        f"{', '.join(_lacking(nearest, rows))}"
    )


def _require(file: str, rows: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    missing = [column for column in columns if column not in rows]
    if missing:
        raise InputError(f"{file}: {what} has the columns {', '.join(columns)}; got no {', '.join(missing)}")
