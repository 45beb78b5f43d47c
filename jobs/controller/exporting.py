"""The command `export`: an architecture becomes a folder and an archive of it in the folder of exports."""

from __future__ import annotations

import os
import re
import secrets
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd

from ...errors import InputError
from ..export import export_architecture
from .command import Order

WEIGHTS = ("best", "inherited", "finetuned")


def export(order: Order) -> dict[str, Any]:
    """Export an architecture of a job under a name that is new, and pack it beside that.

    Raises:
        InputError: no such job, architecture, format or weights; nothing is left in the folder then.
    """
    if order.command.job_id is None:
        raise InputError("export: of a job; got none")
    digest, export_format, weights = (order.argument(name) for name in ("digest", "format", "weights"))
    if weights not in WEIGHTS:
        raise InputError(f"weights: one of {', '.join(WEIGHTS)}; got {weights!r}")
    job = order.ledger.job(order.command.job_id)
    folder = order.places.exports / _name(job.id, digest, export_format)
    order.tell(0.1, "writing the model and comparing it in a fresh process")
    exported = export_architecture(order.ledger, job, digest, export_format, folder, weights)  # type: ignore[arg-type]
    order.tell(0.8, "packing")
    archive = pack(exported.folder)
    return {
        "folder": folder.name,
        "archive": archive.name,
        "max_relative_difference": exported.max_relative_difference,
        "measured_ms": _measured_ms(order.ledger.exports(job.id), exported.folder),
    }


def pack(folder: Path) -> Path:
    """Write a folder as `<name>.zip` beside it, whole or not at all."""
    archive = folder.with_name(f"{folder.name}.zip")
    beside = folder.with_name(f".{archive.name}-{secrets.token_hex(4)}")
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as file:  # weights do not shrink
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                file.write(path, path.relative_to(folder.parent))
        os.replace(beside, archive)
    finally:
        beside.unlink(missing_ok=True)
    return archive


def _name(*parts: str) -> str:
    """A file's name that tells what is in it and that nobody has; ids may come from elsewhere and hold anything."""
    plain = "-".join(re.sub(r"[^A-Za-z0-9_-]", "", part)[:48] for part in parts)
    return f"{plain.strip('-')}-{secrets.token_hex(3)}"


def _measured_ms(exports: pd.DataFrame, folder: Path) -> float | None:
    found = exports[exports["path"] == str(folder.resolve())]["latency_measured_ms"].dropna()
    return float(found.iloc[-1]) if len(found) else None
