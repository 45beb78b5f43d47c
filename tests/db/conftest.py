"""A ledger on every engine Frontier supports, a job in it, and evaluations to record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from frontier.db import Evaluation, Job, Ledger, open_ledger
from frontier.db.tables import Base

from .postgresql_server import PostgresqlServer, missing, running_server

MADE_ONCE = "made_once"
_numbers = count()
_emptied: list[str] = []


@pytest.fixture(scope="session")
def sqlite_made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger nothing was written to: running the migrations for every test would be half of the suite's time."""
    path = tmp_path_factory.mktemp("made_once") / "frontier.db"
    open_ledger(str(path)).close()
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A real server; where there is none the test says so, and under CI=true it fails."""
    if missing() and os.environ.get("CI") == "true":
        pytest.fail(missing())
    if missing():
        pytest.skip(missing())
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_made_once(postgresql: PostgresqlServer) -> str:
    """The name of a database with a ledger nothing was written to."""
    open_ledger(postgresql.create(MADE_ONCE)).close()
    return MADE_ONCE


def empty_sqlite(request: pytest.FixtureRequest, folder: Path) -> str:
    """The name of a SQLite file that is not there yet."""
    return str(folder / "frontier.db")


def new_sqlite(request: pytest.FixtureRequest, folder: Path) -> str:
    """The name of a new SQLite ledger."""
    return str(shutil.copy(request.getfixturevalue("sqlite_made_once"), folder / "frontier.db"))


def empty_postgresql(request: pytest.FixtureRequest, folder: Path) -> str:
    """The address of an empty database."""
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    name = f"test_{next(_numbers)}"
    request.addfinalizer(lambda: server.drop(name))
    return server.create(name)


def new_postgresql(request: pytest.FixtureRequest, folder: Path) -> str:
    """The address of a new PostgreSQL ledger, or of one whose rows are deleted: making one takes as long as a test."""
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    made_once = request.getfixturevalue("postgresql_made_once")
    if not _emptied:
        server.create(name := f"test_{next(_numbers)}", made_once)
        _emptied.append(name)
    name = _emptied.pop()

    def empty() -> None:
        server.delete_rows(name, [table.name for table in reversed(Base.metadata.sorted_tables)])
        _emptied.append(name)

    request.addfinalizer(empty)
    return server.url(name)


MakeDatabase = Callable[[pytest.FixtureRequest, Path], str]
# One line per engine: the contract suite runs on each.
ENGINES: dict[str, MakeDatabase] = {"sqlite": new_sqlite, "postgresql": new_postgresql}
EMPTY: dict[str, MakeDatabase] = {"sqlite": empty_sqlite, "postgresql": empty_postgresql}

MakeEvaluation = Callable[..., Evaluation]


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(request: pytest.FixtureRequest, engine_name: str, tmp_path: Path) -> str:
    """The name of a new and empty ledger, as open_ledger takes it."""
    return ENGINES[engine_name](request, tmp_path)


@pytest.fixture
def new_database(request: pytest.FixtureRequest, engine_name: str, tmp_path: Path) -> Callable[[], str]:
    """Make further new ledgers."""

    def make() -> str:
        folder = tmp_path / str(next(_numbers))
        folder.mkdir()
        return ENGINES[engine_name](request, folder)

    return make


@pytest.fixture
def empty_database(request: pytest.FixtureRequest, engine_name: str, tmp_path: Path) -> str:
    """The name of a database without tables."""
    return EMPTY[engine_name](request, tmp_path)


@pytest.fixture
def ledger(database: str) -> Iterator[Ledger]:
    with open_ledger(database) as ledger:
        yield ledger


@pytest.fixture
def job(ledger: Ledger) -> Job:
    return ledger.create_job(
        job_id="5eed01", name="first", config={}, space={}, run_dir="runs/1", objectives=["val_loss", "latency_ms"]
    )


@pytest.fixture
def evaluation() -> MakeEvaluation:
    """Make an evaluation: digest, val_loss, latency_ms, then any other field by name."""

    def make(digest: str, val_loss: float | None = None, latency_ms: float | None = None, **fields: Any) -> Evaluation:
        given = {"architecture": {"of": digest}, "fidelity": "inherited", "state": "complete"} | fields
        return Evaluation(digest=digest, val_loss=val_loss, latency_ms=latency_ms, **given)

    return make
