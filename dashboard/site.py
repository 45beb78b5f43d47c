"""What every page is given: the ledger to read, the right to change it, if there is one, and where exports lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..db import Ledger, open_ledger
from .access.access import Access
from .reader import Reader


@dataclass(frozen=True)
class Site:
    """The dashboard of one ledger. `exports` is the folder that downloads come from, if there are any."""

    reader: Reader
    access: Access
    exports: Path | None = None

    @contextmanager
    def changing(self) -> Iterator[Ledger]:
        """The ledger, to be written to on behalf of whoever sent the present request.

        Raises:
            Refused: they may not.
            InputError: the ledger can't be opened for writing.
        """
        self.access.require()
        with open_ledger(self.reader.database, create=False) as ledger:
            yield ledger
