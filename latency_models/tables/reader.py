"""From files to one canonical table per kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...errors import InputError
from . import KINDS
from .plausible import doubts
from .recognise import read_rows
from .repeats import CHOICES, REFUSE, Repeats, merge_repeats
from .source import SourceFile, read_source


@dataclass(frozen=True, eq=False)
class TableImport:
    """What the files hold of one device.

    `duplicates` is the rule that repeats were read with. `frames` and `repeats` go by kind, in the order of `KINDS`.
    `sources` name every file with the kinds it holds. `doubts` say by kind of rows that cannot be what
    they say; such rows are kept all the same.
    """

    device: str
    duplicates: str
    frames: dict[str, pd.DataFrame]
    repeats: dict[str, Repeats]
    sources: tuple[Source, ...]
    doubts: dict[str, str]


@dataclass(frozen=True)
class Source:
    """A file that was read: its rows by kind."""

    file: str
    sha256: str
    rows: dict[str, int]


def read_import(paths: Sequence[str | Path], duplicates: str = REFUSE) -> TableImport:
    """Read published kernel tables or one's own, all of one device. Every file is checked whole before any is used.

    `duplicates` says what becomes of calls whose measurements disagree by more than `repeats.TOLERANCE`: "refuse",
    "drop", or the "fastest" or "last" of them.

    Raises:
        InputError: one line with the file, the column, the rule, the value and its row.
    """
    if duplicates not in CHOICES:
        raise InputError(f"duplicates: one of {', '.join(CHOICES)}; got {duplicates!r}")
    files = [read_source(Path(path)) for path in paths]
    _refuse_same_content(files)
    read = [read_rows(file.name, file.rows, KINDS) for file in files]
    device = _one_device(files, read)
    together = {name: _together(files, read, name) for name in KINDS if any(name in parts for parts in read)}
    merged = {name: merge_repeats(KINDS[name], frame, duplicates) for name, frame in together.items()}
    frames = {name: frame for name, (frame, _) in merged.items() if len(frame)}
    if not frames:
        raise InputError(f"duplicates: a choice that leaves rows; got {duplicates!r}, and all measurements disagree")
    return TableImport(
        device=device,
        duplicates=duplicates,
        frames=frames,
        repeats={name: repeats for name, (_, repeats) in merged.items()},
        sources=tuple(
            Source(file.name, file.sha256, {name: len(rows) for name, rows in parts.items()})
            for file, parts in zip(files, read, strict=True)
        ),
        doubts=doubts(frames, KINDS),
    )


def read_tables(paths: Sequence[str | Path], duplicates: str = REFUSE) -> dict[str, pd.DataFrame]:
    """The canonical table of every kind that the files hold; see `read_import`."""
    return read_import(paths, duplicates).frames


def _together(files: Sequence[SourceFile], read: Sequence[dict[str, pd.DataFrame]], kind: str) -> pd.DataFrame:
    """The rows of one kind from all files, and where each came from."""
    parts = [
        parts[kind].assign(file=file.name, row=parts[kind].index + 1)
        for file, parts in zip(files, read, strict=True)
        if kind in parts
    ]
    return pd.concat(parts, ignore_index=True)


def _refuse_same_content(files: Sequence[SourceFile]) -> None:
    seen: dict[str, str] = {}
    for file in files:
        if file.sha256 in seen:
            raise InputError(f"{file.name}: a file is given once; got the content of {seen[file.sha256]} again")
        seen[file.sha256] = file.name


def _one_device(files: Sequence[SourceFile], read: Sequence[dict[str, pd.DataFrame]]) -> str:
    seen: dict[str, str] = {}
    for file, parts in zip(files, read, strict=True):
        for frame in parts.values():
            seen.update({device: seen.get(device, file.name) for device in frame["device"].unique()})
    if len(seen) > 1:
        (first, other), *_ = zip(seen, list(seen)[1:], strict=False)
        raise InputError(f"{seen[other]}: device: one for all tables; got {other!r}, and {first!r} in {seen[first]}")
    return next(iter(seen))
