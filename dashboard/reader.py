"""The ledger as pages read it: opened read-only for one request, and closed again.

A ledger is opened anew for each request because the file may be created, replaced or upgraded while the dashboard runs;
a page that could not read it says so and tries again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ..db import Job, Ledger, open_ledger
from ..errors import InputError

log = logging.getLogger(__name__)

# Whose errors say that the database did not answer. They are known by name, as only db/ may import them.
DRIVERS = ("sqlalchemy", "sqlite3", "psycopg")


class NotThere(Exception):
    """The ledger was read and holds no such thing: what is missing, and what the ledger said of it."""

    def __init__(self, what: str, why: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why


class Unreadable(Exception):
    """The ledger could not be read just now. The message is one line for the reader."""


class Reader:
    """Opens one database, for as long as a reading takes."""

    def __init__(self, database: str) -> None:
        self.database = database

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger, read-only.

        Raises:
            Unreadable: it can't be opened or does not answer.
        """
        try:
            with open_ledger(self.database, create=False, read_only=True) as ledger:
                yield ledger
        except NotThere:
            raise
        except InputError as error:
            raise Unreadable(str(error)) from None
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in DRIVERS:
                raise
            # A locked file, a lost server or a damaged page is the same to a reader: not now.
            log.warning("the ledger could not be read", exc_info=True)
            raise Unreadable(" ".join(str(error).splitlines()[:1]) or type(error).__name__) from error


def find_job(ledger: Ledger, prefix: str) -> Job:
    """The job that a prefix of its id names.

    Raises:
        NotThere: there is none, or more than one.
    """
    try:
        return ledger.job(prefix)
    except InputError as error:
        raise NotThere(f"This ledger has no job that {prefix} names.", str(error)) from None
