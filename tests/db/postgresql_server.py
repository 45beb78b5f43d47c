"""A PostgreSQL server of one's own: started from the installed binaries, reached by a socket, gone with its starter."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

OWNER = "frontier"
START_SECONDS = 60
STOP_SECONDS = 60
PR_SET_PDEATHSIG = 1
# Nothing here has to survive a power cut, and the disk may be slow.
IN_A_HURRY = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=80")


def missing() -> str:
    """What this machine lacks to run a server; empty where it lacks nothing."""
    return (
        "" if _binary("postgres") and _binary("initdb") else "PostgreSQL's server is not installed (Debian: postgresql)"
    )


def _binary(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: path.parts[-3])
    return str(found[-1]) if found else shutil.which(name)


@contextmanager
def running_server() -> Iterator[PostgresqlServer]:
    """A server for the length of the block."""
    server = PostgresqlServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


class PostgresqlServer:
    """A server with an empty database cluster. PostgreSQL refuses to run as root, so root lends it another user."""

    def __init__(self, settings: Sequence[str] = IN_A_HURRY) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="frontier-pg-"))
        self._settings = settings
        self._as: dict[str, object] = {}
        if os.geteuid() == 0:
            user = _unprivileged()
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        initdb = [_binary("initdb"), "-D", self._data, "-U", OWNER, "--auth=trust", "--no-sync", "--encoding=UTF8"]
        done = subprocess.run(initdb, capture_output=True, text=True, cwd=self.folder, **self._as)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def url(self, database: str) -> str:
        """The address of a database, as open_ledger takes it."""
        return f"postgresql+psycopg://{OWNER}@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = [part for setting in self._settings for part in ("-c", setting)]
        command = [_binary("postgres"), "-D", self._data, "-k", str(self.folder), "-h", "", *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # type: ignore[call-overload]
                command, stdout=log, stderr=log, cwd=self.folder, preexec_fn=_die_with_starter, **self._as
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connection("postgres").close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)

    def stop(self, *, at_once: bool = False) -> None:
        """Stop it as an administrator would, or (at once) as a crash would: without a checkpoint."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            self._process.wait(timeout=STOP_SECONDS)
            self._process = None

    def remove(self) -> None:
        """Stop it and delete all it kept."""
        self.stop(at_once=True)
        shutil.rmtree(self.folder)

    def connection(self, database: str) -> psycopg.Connection:
        """A connection outside of any transaction."""
        return psycopg.connect(host=str(self.folder), user=OWNER, dbname=database, autocommit=True)

    def create(self, database: str, template: str = "template0") -> str:
        """Make a database. Returns its address."""
        with self.connection("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def delete_rows(self, database: str, tables: Sequence[str]) -> None:
        """Delete all rows of these tables, in this order."""
        with self.connection(database) as connection:
            connection.execute("SET lock_timeout = '10s'")
            for table in tables:
                connection.execute(f'DELETE FROM "{table}"')

    def make_tablespace(self, name: str, folder: Path) -> None:
        """Let databases put their tables into another folder, which is made."""
        folder.mkdir()
        if os.geteuid() == 0:
            os.chown(folder, _unprivileged().pw_uid, _unprivileged().pw_gid)
        with self.connection("postgres") as connection:
            connection.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")

    def drop(self, database: str) -> None:
        """Drop a database, whoever is connected to it."""
        with self.connection("postgres") as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


def _unprivileged() -> pwd.struct_passwd:
    names = {user.pw_name: user for user in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _die_with_starter() -> None:
    """Have the kernel stop the server when who started it dies, however that comes about."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
