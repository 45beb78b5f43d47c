"""Which schema a database has, and the migrations that bring it up to date."""

from __future__ import annotations

import threading
from functools import cache
from importlib import resources

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect

from ..errors import InputError
from .postgresql import wait_for_turn

# Alembic keeps the running migration in module globals: one at a time in a process.
_migrating = threading.Lock()


def alembic_config() -> Config:
    """Alembic's settings: the migrations that ship in this package, and no file."""
    config = Config()
    folder = str(resources.files(__package__) / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def head_revision() -> str:
    """The revision of this Frontier's tables."""
    head = _scripts().get_current_head()
    assert head is not None, "the package ships no migration"
    return head


def known_revisions() -> set[str]:
    """Every revision that this Frontier can bring up to its own."""
    return {script.revision for script in _scripts().walk_revisions()}


def _scripts() -> ScriptDirectory:
    folder = alembic_config().get_main_option("script_location")
    assert folder is not None, "Alembic's settings name no migrations"
    return _scripts_in(folder)


@cache
def _scripts_in(folder: str) -> ScriptDirectory:
    """Read once: Alembic runs every migration's file to know it, and each opening asks several times."""
    return ScriptDirectory(folder)


def current_revision(connection: Connection, where: str) -> str | None:
    """The revision of the database; None where it is empty.

    Raises:
        InputError: its tables are another program's, or of a Frontier newer than this one.
    """
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        tables = sorted(set(inspect(connection).get_table_names()) - {"alembic_version"})
        if tables:
            raise InputError(
                f"database: not a Frontier ledger, it holds other tables ({tables[0]}, ...); got {where!r}"
            )
        return None
    if revision not in known_revisions():
        raise InputError(
            f"database: schema revision {revision} is newer than this Frontier knows (head {head_revision()}); "
            f"upgrade Frontier; got {where!r}"
        )
    return revision


def migrate(engine: Engine) -> None:
    """Run every migration that the database lacks, all of them or none."""
    config = alembic_config()
    with _migrating, engine.execution_options(writing=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            wait_for_turn(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
