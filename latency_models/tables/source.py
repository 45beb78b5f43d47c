"""A file of measurements as it lies on disk: a Parquet or CSV table, whole, before anything is made of it."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ...errors import InputError

PARQUET = b"PAR1"
LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, eq=False)
class SourceFile:
    """A table as read: `rows` in the file's order, the columns of a CSV all text."""

    name: str
    sha256: str
    rows: pd.DataFrame


def read_source(path: Path) -> SourceFile:
    """Read a table. What it is (Parquet or CSV) is told from its content, not its name.

    Raises:
        InputError: no such file, no table in it, one that is cut short, names a column twice or has no rows.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: a file that can be read; got {error.strerror}") from None
    rows = _table(path, content).to_pandas(ignore_metadata=True)
    if twice := sorted(set(rows.columns[rows.columns.duplicated()])):
        raise InputError(f"{path}: {twice[0]}: a column is named once; got it twice")
    if not len(rows):
        raise InputError(f"{path}: a table has rows; got none")
    return SourceFile(str(path), hashlib.sha256(content).hexdigest(), rows)


def _table(path: Path, content: bytes) -> pa.Table:
    if content.startswith(LFS_POINTER):
        raise InputError(f"{path}: a table; got a pointer of Git LFS to one: run git lfs pull where it came from")
    is_parquet = content.startswith(PARQUET)
    try:
        if is_parquet:
            return pa.parquet.read_table(io.BytesIO(content))
        return _csv(content)
    except (pa.ArrowException, OSError, ValueError) as error:
        form = "a whole Parquet file" if is_parquet else "a Parquet file or a CSV with a header, in UTF-8"
        raise InputError(f"{path}: {form}; got {' '.join(str(error).split())[:200]}") from None


def _csv(content: bytes) -> pa.Table:
    """Every column as text, so that what is wrong can be shown as it is written."""
    if b"\0" in content:
        raise ValueError("binary data")
    header = pa.csv.open_csv(io.BytesIO(content)).schema.names
    convert = pa.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False)
    return pa.csv.read_csv(io.BytesIO(content), convert_options=convert)
