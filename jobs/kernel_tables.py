"""Published kernel tables from their files into the ledger, as a device one need not own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..db import KernelTable, Ledger
from ..errors import InputError
from ..latency_models.tables.reader import TableImport

BACKEND = "table"


@dataclass(frozen=True)
class ImportReport:
    """What an import brought: by kind the rows kept, the repeats merged into others, the calls that disagreed.

    `carried` says by kind how a device compares with the known one that it is like.
    """

    name: str
    hardware: dict[str, Any]
    kinds: dict[str, dict[str, int]]
    carried: dict[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """The same to be read, a line per kind and doubt."""
        told = {kind: _told(counts, self.hardware["duplicates"]) for kind, counts in self.kinds.items()}
        like = {"like": self.hardware["like"], "takes": self.carried} if "like" in self.hardware else {}
        return {
            "device": self.name, "hardware": self.hardware["device"], **like, **told, "doubts": self.hardware["doubts"],
        }  # fmt: skip


def import_device(ledger: Ledger, name: str, read: TableImport) -> ImportReport:
    """Keep what was read as the tables of a new device, all of it or nothing.

    Raises:
        InputError: the name is empty or taken.
    """
    check_name(ledger, name)
    hardware = describe_table_device(read)
    ledger.import_device(name, hardware, kernel_tables(read))
    return ImportReport(name, hardware, counts(read))


def check_name(ledger: Ledger, name: str) -> None:
    """Refuse a name that a new device cannot have.

    Raises:
        InputError: it is empty or taken.
    """
    if not name.strip():
        raise InputError(f"device: a name that is not empty; got {name!r}")
    if ledger.device(name) is not None:
        raise InputError(f"device: must be new in {ledger.url}; got {name!r}")


def describe_table_device(read: TableImport) -> dict[str, Any]:
    """The hardware and runtimes that the tables name. `doubts` stay with the device."""
    runtimes = {runtime for frame in read.frames.values() for runtime in frame["runtime"].unique()}
    return {
        "device": read.device,
        "backend": BACKEND,
        "runtimes": sorted(str(runtime) for runtime in runtimes),
        "duplicates": read.duplicates,
        "doubts": dict(read.doubts),
    }


def kernel_tables(read: TableImport) -> list[KernelTable]:
    """What was read, as the ledger keeps it."""
    return [KernelTable(kind, frame, _sources(read, kind)) for kind, frame in read.frames.items()]


def _sources(read: TableImport, kind: str) -> list[dict[str, Any]]:
    return [
        {"file": source.file, "sha256": source.sha256, "rows": source.rows[kind]}
        for source in read.sources
        if kind in source.rows
    ]


def counts(read: TableImport) -> dict[str, dict[str, int]]:
    """By kind the rows kept, the repeats merged into others, and the calls that disagreed."""
    return {
        kind: {
            "rows": len(read.frames.get(kind, ())),
            "repeats_merged": repeats.rows,
            "calls_that_disagree": repeats.disagreeing,
        }
        for kind, repeats in read.repeats.items()
    }


def _told(counts: dict[str, int], duplicates: str) -> str:
    text = f"{counts['rows']:,} rows"
    if counts["repeats_merged"]:
        text += f", {counts['repeats_merged']:,} repeats merged"
    if counts["calls_that_disagree"]:
        text += f", {counts['calls_that_disagree']:,} calls that disagree: {duplicates}"
    return text
