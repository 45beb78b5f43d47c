"""Commands over what the ledger keeps: `frontier job` moves and deletes jobs, `frontier db` keeps the database."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .db import export_job, import_job, open_ledger, upgrade, write_evaluations
from .shared_options import DEFAULT_DB, Db, JobArgument, Json, named_job
from .terminal import print_json

MEGABYTE = 1e6

job_app = typer.Typer(
    help="Jobs in the ledger: move one to another ledger, write its evaluations, delete it.", no_args_is_help=True
)
db_app = typer.Typer(help="The ledger's database.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would go, and change nothing")]


@job_app.command("export")
def job_export(
    job: JobArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the file to write; it must not exist")],
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Write everything the ledger holds of a job to one file. Weights stay in the run folder."""
    with open_ledger(db, create=False, read_only=True) as ledger:
        counts = export_job(ledger, named_job(ledger, job).id, file)
    if as_json:
        print_json({"file": str(file), "rows": counts})
        return
    print(f"{file}: {counts['evaluations']} evaluations; take it in with: frontier job import {file}")


@job_app.command("import")
def job_import(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="what frontier job export wrote")],
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Take in a job that another ledger exported."""
    with open_ledger(db) as ledger:
        job = import_job(ledger, file)
    if as_json:
        print_json({"job": job.id, "state": job.state, "evaluations": job.evaluations})
        return
    print(f"job {job.id}, {job.state}, with {job.evaluations} evaluations")


@job_app.command("evaluations")
def job_evaluations(
    job: JobArgument,
    out: Annotated[Path, typer.Option(help="the file to write: .csv or .parquet")],
    fidelity: Annotated[str | None, typer.Option(help="inherited or finetuned; both if not given")] = None,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Write a job's evaluations as CSV or Parquet."""
    with open_ledger(db, create=False, read_only=True) as ledger:
        count = write_evaluations(ledger, named_job(ledger, job).id, out, fidelity)
    print_json({"file": str(out), "rows": count}) if as_json else print(f"{out}: {count} evaluations")


@job_app.command("delete")
def job_delete(
    job: JobArgument,
    force: Annotated[bool, typer.Option(help="even if it is running")] = False,
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Delete a job from the ledger. Its run folder stays."""
    with open_ledger(db, create=False) as ledger:
        found = named_job(ledger, job)
        counts = ledger.delete_job(found.id, force=force, dry_run=dry_run)
    if as_json:
        print_json({"job": found.id, "rows": counts, "dry_run": dry_run})
        return
    rows = ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in counts.items() if count)
    print(f"{'would go' if dry_run else 'deleted'}: {rows}; its folder stays: {found.run_dir}")


@db_app.command("upgrade")
def db_upgrade(db: Db = DEFAULT_DB, as_json: Json = False) -> None:
    """Bring the database to this version's schema."""
    before, after = upgrade(db)
    if as_json:
        print_json({"from": before, "to": after})
        return
    print(f"{db}: schema {before or 'none'} to {after}" if before != after else f"{db}: schema {after}, up to date")


@db_app.command("vacuum")
def db_vacuum(dry_run: DryRun = False, db: Db = DEFAULT_DB, as_json: Json = False) -> None:
    """Delete architectures that no job refers to, and give the space of what was deleted back."""
    with open_ledger(db, create=False) as ledger:
        vacuumed = ledger.vacuum(dry_run=dry_run)
    if as_json:
        print_json({**asdict(vacuumed), "dry_run": dry_run})
        return
    space = "" if vacuumed.freed_bytes is None else f", {vacuumed.freed_bytes / MEGABYTE:.1f} MB given back"
    print(f"{'would go' if dry_run else 'gone'}: {vacuumed.architectures} architectures{space}")
