"""What every page is given: the ledger to read, and the right to change it, if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..db import Ledger, open_ledger
from .access import Access
from .reader import Reader


@dataclass(frozen=True)
class Site:
    """The dashboard of one ledger."""

    reader: Reader
    access: Access

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
