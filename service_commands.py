"""Commands of a running service: `frontier serve`, and the queue that it works off."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from .db import open_ledger
from .errors import InputError
from .shared_options import DEFAULT_DB, DEFAULT_RUNS, Db, JobArgument, Json, Runs, job_of_file, named_job
from .terminal import print_json

service_app = typer.Typer()


@service_app.command()
def submit(
    job_file: Annotated[Path, typer.Argument(metavar="JOB_FILE", help="a job file; frontier init writes one")],
    db: Db = DEFAULT_DB,
    runs: Runs = DEFAULT_RUNS,
    data: Annotated[str | None, typer.Option(help="replaces the job file's task.data")] = None,
    address: Annotated[str | None, typer.Option(help="a running Ray cluster instead of one of our own")] = None,
    priority: Annotated[int, typer.Option(help="the highest runs first")] = 0,
    as_json: Json = False,
) -> None:
    """Queue a search job for a running service."""
    from .jobs.prepared import prepare
    from .jobs.prepared import submit as submit_job

    prepared = prepare(job_of_file(job_file, data, address), str(job_file))
    with open_ledger(db) as ledger:
        job_id = submit_job(prepared, ledger, runs, priority)
        waits = ledger.controllers()["alive"].any()
    if as_json:
        print_json({"job": job_id, "state": "queued", "priority": priority})
        return
    served = "a service will run it" if waits else f"no service runs on this ledger yet: frontier serve --db {db}"
    print(f"job {job_id} is queued; {served}")


@service_app.command()
def stop(job: JobArgument, db: Db = DEFAULT_DB, as_json: Json = False) -> None:
    """Stop a job, wherever it runs, so that it can be resumed."""
    with open_ledger(db, create=False) as ledger:
        found = named_job(ledger, job)
        ledger.ask_to_stop(found.id)
        state = ledger.job(found.id).state
    if as_json:
        print_json({"job": found.id, "state": state, "stop_asked": True})
        return
    ends = "is out of the queue" if state == "interrupted" else "ends within a few seconds"
    print(f"job {found.id} {ends}; go on later with: frontier resume {found.id} --db {db}")


@service_app.command()
def serve(
    db: Db = DEFAULT_DB,
    runs: Runs = DEFAULT_RUNS,
    exports: Annotated[Path, typer.Option(envvar="FRONTIER_EXPORTS", help="folder for exports")] = Path(
        "frontier-exports"
    ),
    host: Annotated[str, typer.Option(help="a loopback address, or with a token of your own any other")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="the port to serve on")] = 8050,
    parallel: Annotated[int, typer.Option(help="jobs that run at once")] = 1,
) -> None:
    """Run the service: a dashboard to launch, stop and export from, and a controller that runs queued jobs."""
    from .dashboard import serve as serve_dashboard
    from .dashboard.access.access import TOKEN_VARIABLE, Access
    from .jobs.controller import Beside, Controller, Places, Settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings, access = Settings(parallel=parallel), Access.from_environment()
    open_ledger(db).close()
    _make(exports)
    beside = Beside(Controller(Places(db, runs.resolve(), exports.resolve()), settings))

    def announce(address: str) -> None:
        """The controller begins once the dashboard has its port."""
        print(f"serving {address}", flush=True)
        token = f"the one in {TOKEN_VARIABLE}" if access.chosen else access.token
        print(f"token to change things from there: {token}", flush=True)
        beside.start()

    try:
        serve_dashboard(db, host=host, port=port, announce=announce, access=access, exports=exports.resolve())
    finally:
        beside.end()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--exports: a folder that can be made; got {str(folder)!r}: {error.strerror}") from None
