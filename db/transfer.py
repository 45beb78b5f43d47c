"""A whole job as one file, to move it between ledgers; and a job's evaluations as a table for other programs.

The file is a zip of one Parquet file per table and `manifest.json`, which tells the schema, and the rows and SHA-256 of
each. JSON columns are text in it, times are in UTC. Nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..errors import InputError
from .columns import to_json_text
from .job_tables import JOB_TABLES, arrow_schema, insert_rows, query_of
from .ledger import Ledger
from .rows import Job
from .schema import head_revision, known_revisions
from .tables import JobRow

FORMAT = "frontier-job"
VERSION = 1
MANIFEST = "manifest.json"
ROWS_AT_ONCE = 10_000


def export_job(ledger: Ledger, job_id: str, path: Path) -> dict[str, int]:
    """Write everything the ledger holds of a job to a new file, as of one moment.

    Returns:
        How many rows of each table.

    Raises:
        InputError: no such job, or the file is there already or cannot be written.
    """
    if path.exists():
        raise InputError(f"file: must be new; got {str(path)!r}")
    job = ledger.job(job_id)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise InputError(f"file: cannot be written there ({error.strerror}); got {str(path)!r}") from None
    try:
        with os.fdopen(handle, "w+b") as file:
            counts = _write(ledger, job.id, file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return counts


def import_job(ledger: Ledger, path: Path) -> Job:
    """Write the job of an exported file into the ledger: all its rows, or nothing.

    It comes out of any queue and is nobody's: a job that ran when it was exported is interrupted. Architectures, tags
    and notes that are there already stay as they are.

    Raises:
        InputError: not such a file, not a whole one, one of a newer Frontier, or the ledger has a job of its id.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _manifest(archive, path)
            tables = {table.name: _checked(archive, manifest, table, path) for table in JOB_TABLES}
    except FileNotFoundError:
        raise InputError(f"file: must exist; got {str(path)!r}") from None
    except (zipfile.BadZipFile, OSError, EOFError, pa.ArrowException) as error:
        said = " ".join(str(error).split())
        raise InputError(f"file: must be a whole exported job ({said}); got {str(path)!r}") from None
    try:
        with ledger._writing() as session:
            _insert(session, ledger, tables, manifest["job"])
    except IntegrityError as error:
        raise InputError(f"file: holds rows that contradict each other ({error.orig}); got {str(path)!r}") from error
    return ledger.job(manifest["job"])


def write_evaluations(ledger: Ledger, job_id: str, path: Path, fidelity: str | None = None) -> int:
    """Write a job's evaluations as CSV or Parquet, by the file's name. Returns how many.

    Raises:
        InputError: no such job, a name of another kind, or a folder that cannot be written to.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise InputError(f"file: its name must end in .csv or .parquet; got {str(path)!r}")
    frame = ledger.evaluations(ledger.job(job_id).id, fidelity)
    frame["architecture"] = frame["architecture"].map(to_json_text)
    try:
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, engine="pyarrow", compression="zstd", index=False)
    except OSError as error:
        raise InputError(f"file: cannot be written ({error.strerror or error}); got {str(path)!r}") from None
    return len(frame)


def _write(ledger: Ledger, job_id: str, file: Any) -> dict[str, int]:
    told: dict[str, dict[str, Any]] = {}
    with ledger._reading() as session, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for table in JOB_TABLES:
            content = _parquet(session, table, job_id)
            archive.writestr(_member(table.name), content.data)
            told[table.name] = {"rows": content.rows, "sha256": hashlib.sha256(content.data).hexdigest()}
        manifest = {"format": FORMAT, "version": VERSION, "schema": head_revision(), "job": job_id, "tables": told}
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
    return {name: int(one["rows"]) for name, one in told.items()}


class _Content:
    """A table as the bytes of a Parquet file."""

    def __init__(self, data: bytes, rows: int) -> None:
        self.data, self.rows = data, rows


def _parquet(session: Session, table: Table, job_id: str) -> _Content:
    buffer, schema, rows = io.BytesIO(), arrow_schema(table), 0
    with pq.ParquetWriter(buffer, schema, compression="zstd") as writer:
        result = session.connection().execute(query_of(table, job_id))
        while found := result.fetchmany(ROWS_AT_ONCE):
            columns = zip(*found, strict=True)
            arrays = [_array(list(values), field) for values, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            rows += len(found)
    return _Content(buffer.getvalue(), rows)


def _array(values: list[Any], field: pa.Field) -> pa.Array:
    if (field.metadata or {}).get(b"json"):
        values = [None if value is None else to_json_text(value) for value in values]
    return pa.array(values, type=field.type)


def _manifest(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(archive.read(MANIFEST))
        told = (manifest["format"], manifest["version"], manifest["schema"], manifest["job"], manifest["tables"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"file: must be an exported job, with its {MANIFEST}; got {str(path)!r}") from None
    if told[0] != FORMAT:
        raise InputError(f"file: must be an exported job (format {FORMAT}, not {told[0]!r}); got {str(path)!r}")
    if told[1] != VERSION or told[2] not in known_revisions():
        raise InputError(
            f"file: format {told[1]}, schema {told[2]} is newer than this Frontier knows "
            f"(format {VERSION}, schema {head_revision()}); upgrade Frontier; got {str(path)!r}"
        )
    return dict(manifest)


def _checked(archive: zipfile.ZipFile, manifest: dict[str, Any], table: Table, path: Path) -> pa.Table:
    """A table of the file that is as its manifest says; one that its schema did not have yet is empty."""
    told = manifest["tables"].get(table.name)
    if told is None:
        return arrow_schema(table).empty_table()
    try:
        content = archive.read(_member(table.name))
    except KeyError:
        raise InputError(f"file: its table {table.name} is missing; got {str(path)!r}") from None
    if hashlib.sha256(content).hexdigest() != told["sha256"]:
        raise InputError(f"file: its table {table.name} is not what was exported; got {str(path)!r}")
    rows = pq.read_table(io.BytesIO(content))
    unknown = set(rows.column_names) - set(table.columns.keys())
    if unknown or len(rows) != told["rows"]:
        raise InputError(f"file: its table {table.name} is not what its manifest says; got {str(path)!r}")
    return rows


def _insert(session: Session, ledger: Ledger, tables: dict[str, pa.Table], job_id: str) -> None:
    if session.get(JobRow, job_id) is not None:
        raise InputError(f"job: its id must be new to {ledger.url}; got {job_id!r}")
    for table in JOB_TABLES:
        for batch in tables[table.name].to_batches(max_chunksize=ROWS_AT_ONCE):
            insert_rows(session, table, batch.to_pylist())
    job = session.get(JobRow, job_id)
    if job is None:
        raise InputError(f"file: must hold the job that it names; got {job_id!r}")
    updated_at = job.updated_at
    job.priority = job.claimed_by = job.lease_until = None
    job.stop_asked = False
    job.state = "interrupted" if job.state == "running" else job.state
    job.updated_at = updated_at


def _member(table: str) -> str:
    return f"tables/{table}.parquet"
