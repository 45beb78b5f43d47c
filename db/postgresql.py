"""All that only PostgreSQL needs: how a connection is made, how long it waits, what it says when it cannot be made."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, create_engine, make_url, text

from ..errors import InputError
from .columns import to_json_text

CONNECT_SECONDS = 10
# A writer waits as long for another as it does on SQLite. A client whose machine is gone holds its locks for a minute,
# not for the two hours of the system's default.
SESSION = {
    "lock_timeout": "30s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
MIGRATING = 0x46524F4E  # the key of the lock that whoever migrates a database holds


def postgresql_engine(address: str, shown: str, *, read_only: bool) -> Engine:
    """An engine with a pool of connections, each asked whether it still lives before it is used.

    `shown` is the address without its password. With `read_only` the server itself refuses every write.

    Raises:
        InputError: the driver is not installed.
    """
    settings = dict(SESSION) | ({"default_transaction_read_only": "on"} if read_only else {})
    query = make_url(address).normalized_query
    arguments: dict[str, object] = {"connect_timeout": CONNECT_SECONDS, "application_name": "frontier"}
    arguments = {name: value for name, value in arguments.items() if name not in query}
    options = " ".join([*(f"-c {name}={value}" for name, value in settings.items()), *query.get("options", ())])
    try:
        return create_engine(
            address,
            pool_pre_ping=True,
            json_serializer=to_json_text,
            connect_args={**arguments, "options": options},
        )
    except ModuleNotFoundError as error:
        raise InputError(
            f"database: PostgreSQL needs the package psycopg ({error}); run: pip install 'psycopg[binary]'; "
            f"got {shown!r}"
        ) from None


def wait_for_turn(connection: Connection) -> None:
    """Hold the lock of who migrates until the transaction ends, so that of several that start at once one does it."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
