"""The migrations make the tables the models describe, and take an old ledger along."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Inspector, inspect

from frontier.db import Evaluation, KernelTable, open_ledger, schema, upgrade
from frontier.db.sqlite import sqlite_engine
from frontier.db.tables import Base
from frontier.errors import InputError

MakeEvaluation = Callable[..., Evaluation]

HEAD = "0003"
NEXT = '''
"""A further revision, for this test."""
import sqlalchemy as sa
from alembic import op
revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
def upgrade():
    with op.batch_alter_table("jobs", recreate="always") as batch:
        batch.add_column(sa.Column("owner", sa.Text(), nullable=True))
'''


@pytest.fixture
def newer_frontier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Add a further revision to the package, as a later Frontier would have it."""

    def add(text: str) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(Path(schema.__file__).parent / "migrations", folder)
        (folder / "versions" / "0004_next.py").write_text(text)

        def config() -> Config:
            config = Config()
            config.set_main_option("script_location", str(folder))
            config.set_main_option("path_separator", "os")
            return config

        monkeypatch.setattr(schema, "alembic_config", config)

    return add


def described(inspector: Inspector) -> dict[str, Any]:
    """Every table: columns, keys, constraints and indices, in an order of their own."""

    def by_name(rows: Any) -> list[Any]:
        return sorted((dict(row) for row in rows), key=lambda row: str(row["name"]))

    return {
        table: {
            "columns": [{**column, "type": str(column["type"])} for column in inspector.get_columns(table)],
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": by_name(inspector.get_foreign_keys(table)),
            "unique": by_name(inspector.get_unique_constraints(table)),
            "checks": by_name(inspector.get_check_constraints(table)),
            "indices": by_name(inspector.get_indexes(table)),
        }
        for table in sorted(set(inspector.get_table_names()) - {"alembic_version"})
    }


def test_a_fresh_upgrade_equals_the_models(tmp_path: Path) -> None:
    migrated, modelled = tmp_path / "migrated.db", tmp_path / "modelled.db"
    assert upgrade(str(migrated)) == (None, HEAD)
    modelled.touch()
    engines = [sqlite_engine(path, "rw") for path in (migrated, modelled)]
    try:
        Base.metadata.create_all(engines[1])
        first, second = (described(inspect(engine)) for engine in engines)
        assert len(first) == len(Base.metadata.tables) > 10
        assert first == second  # checks too, which Alembic itself does not compare
        with engines[0].connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    finally:
        for engine in engines:
            engine.dispose()


def test_every_constraint_has_a_name_a_migration_can_use() -> None:
    unnamed = [
        (table.name, constraint)
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if constraint.name is None
    ]
    assert unnamed == []


def test_down_and_up_again(tmp_path: Path) -> None:
    path = tmp_path / "frontier.db"
    open_ledger(str(path)).close()
    engine = sqlite_engine(path, "rw", foreign_keys=False)
    config = schema.alembic_config()
    with engine.execution_options(writing=True).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()
    assert upgrade(str(path)) == (None, HEAD)
    with open_ledger(str(path), create=False) as ledger:
        assert ledger.jobs().empty


def test_upgrading_what_is_up_to_date_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "frontier.db"
    open_ledger(str(path)).close()
    before = path.read_bytes()
    assert upgrade(str(path)) == (HEAD, HEAD)
    assert path.read_bytes() == before


def test_an_older_ledger_is_refused_until_upgraded_and_keeps_its_rows(
    tmp_path: Path, newer_frontier: Callable[[str], None], evaluation: MakeEvaluation
) -> None:
    path = tmp_path / "frontier.db"
    with open_ledger(str(path)) as ledger:
        ledger.create_job(job_id="j", name="n", config={}, space={}, run_dir="r", objectives=["val_loss"])
        ledger.record("j", [evaluation("a", 1.0)])
    newer_frontier(NEXT)
    for read_only in (False, True):
        with pytest.raises(InputError, match=r"schema revision 0003 is older .*head 0004") as refused:
            open_ledger(str(path), read_only=read_only)
        assert f"run: frontier db upgrade --db {path}" in str(refused.value)
    assert upgrade(str(path)) == (HEAD, "0004")
    with open_ledger(str(path)) as ledger:
        assert list(ledger.front("j")["digest"]) == ["a"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id, owner FROM jobs").fetchall() == [("j", None)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


FIRST_ROWS = (
    "INSERT INTO devices VALUES ('mine', '{\"threads\": 1}', '{}', '2026-01-02 03:04:05')",
    "INSERT INTO measurements VALUES ('mine', 'key', 'aten.mm.default', 'matmul', '{}', 6, 24, 1.5, 0.1, 9)",
    "INSERT INTO jobs VALUES ('j', 'n', 'done', 'done', 1, 1, '{}', '{}', '[\"val_loss\"]', 'r', '{}', NULL, "
    "'2026-01-02 03:04:05', '2026-01-02 03:04:05')",
)


def test_a_ledger_of_the_first_schema_gets_kernel_tables_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "frontier.db"
    path.touch()
    engine = sqlite_engine(path, "rw")
    config = schema.alembic_config()
    with engine.execution_options(writing=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in FIRST_ROWS:
            connection.exec_driver_sql(statement)
    engine.dispose()
    with pytest.raises(InputError, match=r"schema revision 0001 is older .*run: frontier db upgrade"):
        open_ledger(str(path))
    assert upgrade(str(path)) == ("0001", HEAD)
    with open_ledger(str(path)) as ledger:
        assert ledger.device("mine").hardware == {"threads": 1}
        assert [(row.median_us, row.skewed_us) for row in ledger.measurements("mine")] == [(1.5, None)]
        assert ledger.job("j").state == "done"
        assert ledger.kernel_tables("mine").empty
        assert list(ledger.devices()["table_rows"]) == [0]
        table = pd.DataFrame({"m": [1], "runtime": ["r"], "latency_us": [2.5]})
        ledger.import_device("theirs", {"device": "X"}, [KernelTable("gemm", table, [])])
        assert list(ledger.devices()["table_rows"]) == [0, 1]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("start", ["missing", "old"])
def test_a_migration_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, newer_frontier: Callable[[str], None], start: str
) -> None:
    path = tmp_path / "frontier.db"
    if start == "old":
        open_ledger(str(path)).close()
    before = path.read_bytes() if path.exists() else None
    newer_frontier(NEXT + "    raise RuntimeError('half way')\n")
    with pytest.raises(RuntimeError, match="half way"):
        upgrade(str(path)) if start == "old" else open_ledger(str(path))
    left = [other.name for other in tmp_path.iterdir() if other.name != "migrations"]
    assert left == ([] if start == "missing" else ["frontier.db"])
    assert before is None or path.read_bytes() == before


BAD_ROWS = {
    "state": "UPDATE jobs SET state = 'paused'",
    "stage": "UPDATE jobs SET stage = 'lunch'",
    "progress": "UPDATE jobs SET done = -1",
    "fidelity": "UPDATE evaluations SET fidelity = 'guessed'",
    "evaluation-state": "UPDATE evaluations SET state = 'maybe'",
    "negative-latency": "UPDATE evaluations SET latency_ms = -0.5",
    "negative-count": "UPDATE evaluations SET param_count = -1",
    "no-such-architecture": "UPDATE evaluations SET digest = 'zz'",
    "no-such-job": "UPDATE events SET job_id = 'zz'",
    "front-of-nothing": "UPDATE front_members SET digest = 'b', fidelity = 'finetuned'",
    "leaves-before-it-enters": "UPDATE front_members SET left_seq = entered_seq",
    "same-digest-twice": (
        "INSERT INTO evaluations (job_id, seq, digest, fidelity, state, created_at) "
        "SELECT job_id, 99, digest, fidelity, state, created_at FROM evaluations WHERE digest = 'a'"
    ),
    "table-of-no-device": "UPDATE kernel_tables SET device = 'zz'",
    "negative-rows": "UPDATE kernel_tables SET row_count = -1",
    "orphaned-tables": "DELETE FROM devices",
    "orphans": "DELETE FROM jobs",
}


@pytest.mark.parametrize("statement", BAD_ROWS.values(), ids=BAD_ROWS)
def test_the_database_itself_refuses(tmp_path: Path, evaluation: MakeEvaluation, statement: str) -> None:
    path = tmp_path / "frontier.db"
    with open_ledger(str(path)) as ledger:
        ledger.create_job(job_id="j", name="n", config={}, space={}, run_dir="r", objectives=["val_loss"])
        ledger.record("j", [evaluation("a", 1.0), evaluation("b", 2.0)])
        ledger.add_event("j", "train", "k", "m")
        table = pd.DataFrame({"m": [1], "runtime": ["r"], "latency_us": [2.5]})
        ledger.import_device("d", {}, [KernelTable("gemm", table, [])])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        with pytest.raises(sqlite3.IntegrityError, match="constraint failed"):
            connection.execute(statement)
