"""A ledger on every engine Frontier supports, a job in it, and evaluations to record."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from frontier.db import Evaluation, Job, Ledger, open_ledger


@pytest.fixture(scope="session")
def sqlite_made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger nothing was written to: running the migrations for every test would be half of the suite's time."""
    path = tmp_path_factory.mktemp("made_once") / "frontier.db"
    open_ledger(str(path)).close()
    return path


def new_sqlite(request: pytest.FixtureRequest, folder: Path) -> str:
    """The name of a new SQLite ledger."""
    return str(shutil.copy(request.getfixturevalue("sqlite_made_once"), folder / "frontier.db"))


# One line per engine: the contract suite runs on each.
ENGINES = {"sqlite": new_sqlite}

MakeEvaluation = Callable[..., Evaluation]


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The name of a new and empty ledger, as open_ledger takes it."""
    return ENGINES[request.param](request, tmp_path)


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
