"""The migrations make the tables the models describe, and take an old ledger along."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Inspector, PrimaryKeyConstraint, UniqueConstraint, inspect

from frontier.db import Evaluation, KernelTable, Node, open_ledger, opening, schema, upgrade
from frontier.db.tables import Base
from frontier.errors import InputError

MakeEvaluation = Callable[..., Evaluation]

HEAD = "0007"
NEXT = '''
"""A further revision, for this test."""
import sqlalchemy as sa
from alembic import op
revision = "0008"
down_revision = "0007"
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
        (folder / "versions" / "0008_next.py").write_text(text)

        def config() -> Config:
            config = Config()
            config.set_main_option("script_location", str(folder))
            config.set_main_option("path_separator", "os")
            return config

        monkeypatch.setattr(schema, "alembic_config", config)

    return add


@contextmanager
def connected(database: str, *, foreign_keys: bool = True) -> Iterator[Connection]:
    """A connection in a write transaction, whatever tables there are."""
    place = opening.locate(database)
    engine = opening._engine(place, read_only=False, foreign_keys=foreign_keys)
    try:
        with engine.execution_options(writing=True).begin() as connection:
            yield connection
    finally:
        engine.dispose()


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


def test_a_fresh_upgrade_equals_the_models(empty_database: str, new_database: Callable[[], str]) -> None:
    assert upgrade(empty_database) == (None, HEAD)
    modelled = new_database()
    with connected(modelled) as connection:
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
    with connected(empty_database) as first, connected(modelled) as second:
        migrated = described(inspect(first))
        assert len(migrated) == len(Base.metadata.tables) > 10
        assert migrated == described(inspect(second))  # checks too, which Alembic itself does not compare
        assert compare_metadata(MigrationContext.configure(first), Base.metadata) == []


def test_every_foreign_key_has_an_index() -> None:
    """Without one, deleting what is referred to reads the whole table that refers to it."""
    for table in Base.metadata.tables.values():
        indexed = [tuple(index.columns.keys()) for index in table.indexes]
        indexed += [
            tuple(constraint.columns.keys())
            for constraint in table.constraints
            if isinstance(constraint, (PrimaryKeyConstraint, UniqueConstraint))
        ]
        for constraint in table.foreign_key_constraints:
            wanted = set(constraint.column_keys)
            assert any(set(columns[: len(wanted)]) == wanted for columns in indexed), constraint.name


def test_every_constraint_has_a_name_a_migration_can_use() -> None:
    unnamed = [
        (table.name, constraint)
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if constraint.name is None
    ]
    assert unnamed == []


def test_down_and_up_again(database: str) -> None:
    with connected(database, foreign_keys=False) as connection:
        config = schema.alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    assert upgrade(database) == (None, HEAD)
    with open_ledger(database, create=False) as ledger:
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
        with pytest.raises(InputError, match=r"schema revision 0007 is older .*head 0008") as refused:
            open_ledger(str(path), read_only=read_only)
        assert f"run: frontier db upgrade --db {path}" in str(refused.value)
    assert upgrade(str(path)) == (HEAD, "0008")
    with open_ledger(str(path)) as ledger:
        assert list(ledger.front("j")["digest"]) == ["a"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id, owner FROM jobs").fetchall() == [("j", None)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


TIME = "'2026-01-02 03:04:05'"
EVALUATION = "job_id, seq, digest, fidelity, state, val_loss, latency_ms, created_at"
MEASUREMENT = "device, key, op, family, arguments, flops, bytes, median_us, spread_us, count"
# What a user of each schema had written.
ROWS_OF = {
    "0001": (
        f"INSERT INTO devices VALUES ('mine', '{{\"threads\": 1}}', '{{}}', {TIME})",
        f"INSERT INTO measurements ({MEASUREMENT}) VALUES ('mine', 'k', 'mm', 'matmul', '{{}}', 6, 24, 1.5, 0.1, 9)",
        "INSERT INTO jobs VALUES ('j', 'n', 'done', 'done', 1, 1, '{}', '{}', '[\"val_loss\", \"latency_ms\"]', 'r', "
        f"'{{}}', NULL, {TIME}, {TIME})",
        *(f"INSERT INTO architectures VALUES ('{digest}', '{{\"of\": \"{digest}\"}}')" for digest in "abcd"),
        f"INSERT INTO evaluations ({EVALUATION}) VALUES ('j', 1, 'a', 'inherited', 'complete', 2.0, 2.0, {TIME})",
        f"INSERT INTO evaluations ({EVALUATION}) VALUES ('j', 2, 'b', 'inherited', 'complete', 1.0, 1.0, {TIME})",
        f"INSERT INTO evaluations ({EVALUATION}) VALUES ('j', 3, 'c', 'inherited', 'failed', 0.5, NULL, {TIME})",
        f"INSERT INTO evaluations ({EVALUATION}) VALUES ('j', 4, 'b', 'finetuned', 'complete', 0.75, 1.0, {TIME})",
        "INSERT INTO front_members VALUES ('j', 'inherited', 'a', 1, 2)",
        "INSERT INTO front_members VALUES ('j', 'inherited', 'b', 2, NULL)",
        "INSERT INTO front_members VALUES ('j', 'finetuned', 'b', 4, NULL)",
        f"INSERT INTO events VALUES (1, 'j', 'done', 'stage', 'over', {TIME})",
        f"INSERT INTO checkpoints VALUES (1, 'j', 'supernet', '/w', 7, NULL, NULL, {TIME})",
        f"INSERT INTO exports VALUES (1, 'j', 'b', 'pytorch', '/o', 'inherited', 1e-7, NULL, {TIME})",
        "INSERT INTO breakdowns VALUES ('j', 'b', 'prefill', 0, 'embed', 'mm', 'gemm', 1, 1.0, '1')",
        "INSERT INTO curve_points VALUES ('j', 0, 'largest', 5.5, 0.1)",
    ),
    "0002": (f"INSERT INTO kernel_tables VALUES ('mine', 'gemm', 1, '[]', '[]', '', NULL, {TIME})",),
    "0003": ("UPDATE measurements SET skewed_us = 2.5",),
    "0004": (
        "UPDATE jobs SET priority = 3, attempts = 2",
        f"INSERT INTO quality_predictors VALUES ('j', 4, 2, 0.5, 0.1, 0.9, {TIME})",
        f"INSERT INTO notes VALUES (1, 'b', 'the one', NULL, {TIME})",
        f"INSERT INTO tags VALUES ('b', 'chosen', NULL, {TIME})",
    ),
    "0005": (
        "UPDATE jobs SET stop_asked = true",
        f"INSERT INTO nodes VALUES ('j', 'm', '127.0.0.1', 4, 0, {TIME}, NULL)",
    ),
    "0006": (),
}


@pytest.mark.parametrize("revision", ROWS_OF)
def test_a_ledger_of_an_earlier_schema_is_upgraded_and_keeps_its_rows(
    empty_database: str, evaluation: MakeEvaluation, revision: str
) -> None:
    make_ledger_of(empty_database, revision)
    with pytest.raises(InputError, match=rf"schema revision {revision} is older .*run: frontier db upgrade"):
        open_ledger(empty_database)
    assert upgrade(empty_database) == (revision, HEAD)
    with open_ledger(empty_database) as ledger:
        assert ledger.device("mine").hardware == {"threads": 1}
        assert ledger.measurements("mine")[0].median_us == 1.5
        assert list(ledger.devices()["table_rows"]) == [int(revision >= "0002")]
        assert ledger.measurements("mine")[0].skewed_us == (2.5 if revision >= "0003" else None)
        assert list(ledger.evaluations("j")["digest"]) == ["a", "b", "c", "b"]
        assert list(ledger.front("j", at_seq=1)["digest"]) == ["a"]
        counted = ledger.jobs().loc[0, ["evaluations", "failed", "front_size", "best_val_loss"]]
        assert counted.tolist() == [4, 1, 1, 0.75]
        assert len(ledger.events("j")) == len(ledger.checkpoints("j")) == len(ledger.exports("j")) == 1
        assert len(ledger.breakdown("j", "b")) == len(ledger.curve("j")) == 1
        # The stream and the front go on from where they were, and what is new can be written.
        assert ledger.record("j", [evaluation("d", 0.5, 0.5, attempts=2), evaluation("e", 0, 0, state="hopeless")]) == 2
        assert list(ledger.evaluations("j")["seq"]) == [1, 2, 3, 4, 5, 6]
        ledger.add_event("j", "done", "k", "more")
        assert len(ledger.events("j")) == 2
        assert ledger.job("j").priority == (3 if revision >= "0004" else None)
        assert list(ledger.notes("b")["text"]) == (["the one"] if revision >= "0004" else [])
        assert ledger.stop_asked("j") == (revision >= "0005")
        assert list(ledger.nodes("j")["node_id"]) == (["m"] if revision >= "0005" else [])
        ledger.see_nodes("j", [Node("n", "127.0.0.1", 2, 0)])
        assert ledger.command(ledger.add_command("export", {}, "j")).state == "waiting"


def make_ledger_of(database: str, revision: str) -> None:
    """The tables of an earlier Frontier with rows in every one of them."""
    if "://" not in database:
        Path(database).touch()
    with connected(database, foreign_keys=False) as connection:
        config = schema.alembic_config()
        config.attributes["connection"] = connection
        for step in (step for step in ROWS_OF if step <= revision):
            command.upgrade(config, step)
            for statement in ROWS_OF[step]:
                connection.exec_driver_sql(statement)
        if connection.dialect.name == "postgresql":  # the rows named their ids, and the counters did not see it
            for table in ("events", "checkpoints", "exports", *(["notes"] if revision >= "0004" else [])):
                connection.exec_driver_sql(f"SELECT setval('{table}_id_seq', 1)")


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
