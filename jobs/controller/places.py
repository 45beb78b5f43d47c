"""Where a controller finds and puts things."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """The ledger's database, the folder of run folders, the folder of exports."""

    database: str
    runs: Path
    exports: Path
