"""Opening a PostgreSQL ledger: what is refused, in which words, and how a connection is set up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from frontier.db import open_ledger, upgrade
from frontier.errors import InputError

from .postgresql_server import OWNER, PostgresqlServer


@pytest.fixture
def address(postgresql: PostgresqlServer, postgresql_made_once: str) -> Iterator[str]:
    """The address of a new ledger."""
    yield postgresql.create("opened", postgresql_made_once)
    postgresql.drop("opened")


PREPARED: dict[str, tuple[tuple[str, ...], str]] = {
    "newer": (
        ("UPDATE alembic_version SET version_num = '9999'",),
        r"schema revision 9999 is newer than this Frontier knows \(head 0007\); upgrade Frontier",
    ),
    "older": (
        ("UPDATE alembic_version SET version_num = '0003'",),
        r"schema revision 0003 is older .*; run: frontier db upgrade --db postgresql",
    ),
    "another-program's": (("DROP TABLE alembic_version",), "not a Frontier ledger, it holds other tables"),
}


@pytest.mark.parametrize("read_only", [False, True], ids=["to-write", "read-only"])
@pytest.mark.parametrize(("statements", "message"), PREPARED.values(), ids=PREPARED)
def test_a_database_of_another_schema_is_refused_in_one_line(
    postgresql: PostgresqlServer, address: str, statements: tuple[str, ...], message: str, read_only: bool
) -> None:
    with postgresql.connection("opened") as connection:
        for statement in statements:
            connection.execute(statement)
    with pytest.raises(InputError, match=message) as refused:
        open_ledger(address, read_only=read_only)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("options", [{"read_only": True}, {"create": False}], ids=["read-only", "create-false"])
def test_an_empty_database_is_no_ledger_until_created(
    postgresql: PostgresqlServer, request: pytest.FixtureRequest, options: dict[str, bool]
) -> None:
    request.addfinalizer(lambda: postgresql.drop("bare"))
    address = postgresql.create("bare")
    with pytest.raises(InputError, match="must hold a ledger, this one is empty"):
        open_ledger(address, **options)
    assert upgrade(address)[0] is None
    with open_ledger(address, **options) as ledger:
        assert ledger.jobs().empty


def test_a_password_is_in_no_message(postgresql: PostgresqlServer) -> None:
    address = postgresql.url("nowhere").replace(f"{OWNER}@", f"{OWNER}:secret@")
    for ask in (open_ledger, upgrade):
        with pytest.raises(InputError) as refused:
            ask(address)
        assert "secret" not in str(refused.value)
        assert "nowhere" in str(refused.value)


SETTINGS: dict[str, Callable[[str], bool]] = {
    "lock_timeout": lambda value: value == "30s",
    "synchronous_commit": lambda value: value == "on",
    "application_name": lambda value: value == "frontier",
    "tcp_keepalives_idle": lambda value: value in ("30", "0"),  # 0 over a socket, which has none
}


def test_the_settings_a_connection_has(address: str) -> None:
    with open_ledger(address) as ledger, ledger._writing() as session:
        for name, holds in SETTINGS.items():
            assert holds(str(session.scalar(text(f"SHOW {name}")))), name
        assert session.scalar(text("SHOW transaction_isolation")) == "read committed"
    with open_ledger(address) as ledger, ledger._reading() as session:
        assert session.scalar(text("SHOW transaction_isolation")) == "repeatable read"
        assert session.scalar(text("SHOW transaction_read_only")) == "on"


def test_a_setting_in_the_address_counts(address: str) -> None:
    own = f"{address}&options=-c%20lock_timeout%3D7s&application_name=mine"
    with open_ledger(own) as ledger, ledger._writing() as session:
        assert session.scalar(text("SHOW lock_timeout")) == "7s"
        assert session.scalar(text("SHOW application_name")) == "mine"
