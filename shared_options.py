"""What several groups of commands take: the database, a job in it or in a file, where its files go, JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .db import Job, Ledger
from .errors import InputError

if TYPE_CHECKING:
    from .jobs.config import JobConfig

Db = Annotated[str, typer.Option("--db", envvar="FRONTIER_DB", help="database: a SQLite file or a SQLAlchemy URL")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="a job's id, the beginning of it, or latest")]
Runs = Annotated[Path, typer.Option("--runs", envvar="FRONTIER_RUNS", help="folder for the files of jobs")]
DEFAULT_DB = "frontier.db"
DEFAULT_RUNS = Path("frontier-runs")


def named_job(ledger: Ledger, name: str) -> Job:
    """The job of this id, the one whose id begins so, or the newest."""
    if name != "latest":
        return ledger.job(name)
    newest = ledger.jobs()
    if not len(newest):
        raise InputError(f"JOB: a ledger with jobs; got an empty one: {ledger.url}")
    return ledger.job(newest.iloc[0]["id"])


def job_of_file(job_file: Path, data: str | None, address: str | None) -> JobConfig:
    """The job of a file, with other data or another cluster where these are given."""
    from .jobs.config import load_job  # imports torch, which most commands do without

    config = load_job(job_file)
    if data:
        task = config.task.model_copy(update={"data": seen_from_here(data)})
        config = config.model_copy(update={"task": task})
    if address:
        config = config.model_copy(update={"cluster": config.cluster.model_copy(update={"address": address})})
    return config


def seen_from_here(data: str) -> str:
    """A path that means the same from any folder."""
    from .evaluators.tasks import BUILT_IN_DATA
    from .jobs.config import absolute

    return data if data in BUILT_IN_DATA else absolute(data, Path.cwd())
