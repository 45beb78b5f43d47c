"""What several groups of commands take: the database, a job in it, JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from .db import Job, Ledger
from .errors import InputError

Db = Annotated[str, typer.Option("--db", envvar="FRONTIER_DB", help="database: a SQLite file or a SQLAlchemy URL")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="a job's id, the beginning of it, or latest")]
DEFAULT_DB = "frontier.db"


def named_job(ledger: Ledger, name: str) -> Job:
    """The job of this id, the one whose id begins so, or the newest."""
    if name != "latest":
        return ledger.job(name)
    newest = ledger.jobs()
    if not len(newest):
        raise InputError(f"JOB: a ledger with jobs; got an empty one: {ledger.url}")
    return ledger.job(newest.iloc[0]["id"])
