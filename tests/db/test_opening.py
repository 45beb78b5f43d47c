"""Opening a SQLite ledger: what is refused, in which words, and what is left behind (nothing)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from frontier.db import open_ledger, upgrade
from frontier.errors import InputError

NOBODY = 65534


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (id INTEGER)")
        connection.commit()


def truncated_database(path: Path) -> None:
    open_ledger(str(path)).close()
    path.write_bytes(path.read_bytes()[:5000])


def from_the_future(path: Path) -> None:
    open_ledger(str(path)).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


def nothing(path: Path) -> None:
    """Leave the path as it is: missing."""


BAD_FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "folder-missing": ("no/such/frontier.db", nothing, "its folder does not exist"),
    "folder-is-a-file": ("file/frontier.db", lambda path: path.parent.write_text("x"), "its folder is no folder"),
    "is-a-folder": ("frontier.db", lambda path: path.mkdir(), "this is a folder"),
    "is-a-pipe": ("frontier.db", lambda path: os.mkfifo(path), "must be a regular file"),
    "not-a-database": ("frontier.db", lambda path: path.write_text("hello " * 1000), "file is not a database"),
    "truncated": ("frontier.db", truncated_database, "malformed"),
    "another-program's": ("frontier.db", foreign_database, "not a Frontier ledger"),
    "newer": (
        "frontier.db",
        from_the_future,
        r"schema revision 9999 is newer than this Frontier knows \(head 0007\); upgrade Frontier",
    ),
}


@pytest.mark.parametrize("read_only", [False, True], ids=["to-write", "read-only"])
@pytest.mark.parametrize(("name", "prepare", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused_in_one_line_and_left_alone(
    tmp_path: Path, name: str, prepare: Callable[[Path], object], message: str, read_only: bool
) -> None:
    path = tmp_path / name
    prepare(path)
    before = everything_in(tmp_path)
    with pytest.raises(InputError, match=message) as refused:
        open_ledger(str(path), read_only=read_only)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("name", ["not-a-database", "another-program's", "newer", "folder-missing"])
def test_upgrade_refuses_the_same(tmp_path: Path, name: str) -> None:
    relative, prepare, message = BAD_FILES[name]
    path = tmp_path / relative
    prepare(path)
    before = everything_in(tmp_path)
    with pytest.raises(InputError, match=message):
        upgrade(str(path))
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("options", [{"read_only": True}, {"create": False}], ids=["read-only", "create-false"])
def test_a_missing_file_is_not_made(tmp_path: Path, options: dict[str, bool]) -> None:
    with pytest.raises(InputError, match="must exist"):
        open_ledger(str(tmp_path / "frontier.db"), **options)
    assert everything_in(tmp_path) == {}


@pytest.mark.parametrize("options", [{"read_only": True}, {"create": False}], ids=["read-only", "create-false"])
def test_an_empty_file_is_no_ledger_until_created(tmp_path: Path, options: dict[str, bool]) -> None:
    path = tmp_path / "frontier.db"
    path.touch()
    with pytest.raises(InputError, match="this one is empty"):
        open_ledger(str(path), **options)
    assert path.stat().st_size == 0
    with open_ledger(str(path)) as ledger:
        assert ledger.jobs().empty


@pytest.mark.parametrize(
    "database",
    [
        "",
        "mysql://u:secret@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=ro",
        "sqlite+aiosqlite:///x.db",
        "http://x",
        "://",
    ],
)
def test_an_address_of_another_kind_is_refused(database: str) -> None:
    with pytest.raises(InputError, match=r"a path, sqlite:///path or postgresql\+psycopg://") as refused:
        open_ledger(database)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


NAMES = ["a b.db", "50%.db", "no#1.db", "前.db", "it's.db"]


@pytest.mark.parametrize(
    ("form", "name"),
    # A question mark ends the path of a URL, so only a plain path can hold one.
    [*(("{}", name) for name in [*NAMES, "why?.db"]), *(("sqlite:///{}", name) for name in NAMES)],
)
def test_a_name_means_the_file_of_that_name(tmp_path: Path, form: str, name: str) -> None:
    path = tmp_path / name
    database = form.format(path)
    with open_ledger(database) as ledger:
        assert ledger.url == f"sqlite:///{path}"
    with open_ledger(database, read_only=True) as reader:
        assert reader.jobs().empty
    assert [p.name for p in tmp_path.iterdir() if not p.name.endswith(("-wal", "-shm"))] == [name]


def test_a_relative_path_is_of_the_folder_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_ledger("frontier.db") as ledger:
        monkeypatch.chdir("/")
        assert ledger.jobs().empty
    assert (tmp_path / "frontier.db").is_file()


def test_a_closed_ledger_is_one_file(tmp_path: Path) -> None:
    open_ledger(str(tmp_path / "frontier.db")).close()
    assert [path.name for path in tmp_path.iterdir()] == ["frontier.db"]


def test_the_settings_a_connection_has(tmp_path: Path) -> None:
    path = str(tmp_path / "frontier.db")
    with open_ledger(path) as ledger, ledger._reading() as session:
        raw = session.connection().connection.dbapi_connection
        assert raw is not None
        settings = {
            name: raw.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        }
    assert settings == {"journal_mode": "wal", "busy_timeout": 30_000, "foreign_keys": 1, "synchronous": 2}


def test_opening_a_second_ledger_keeps_the_locks_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "frontier.db"
    with open_ledger(str(path)) as first, first._writing() as session:
        session.connection()
        open_ledger(str(path), read_only=True).close()
        # A process that closes a file drops every POSIX lock it holds on it: another process must still be kept out.
        code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
        other = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert other.returncode == 1
    assert "database is locked" in other.stderr


def test_postgresql_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r"pip install 'psycopg\[binary\]'") as refused:
        open_ledger("postgresql+psycopg://user:secret@127.0.0.1/frontier")
    assert "secret" not in str(refused.value)


@contextmanager
def as_nobody() -> Iterator[None]:
    """The superuser may do anything, so take another user's rights for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that another user may enter, which tmp_path is not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "read_only", "message"),
    [
        (0o600, 0o777, False, "permission denied, the file must be open to read and write"),
        (0o600, 0o777, True, "permission denied, the file must be open to read;"),
        (0o644, 0o777, False, "permission denied, the file must be open to read and write"),
        (0o666, 0o755, False, "permission denied, its folder must be writable"),
        (None, 0o755, False, "permission denied, its folder must be writable"),
        (0o666, 0o700, False, "permission denied on the way to the file"),
        (0o666, 0o700, True, "permission denied on the way to the file"),
    ],
    ids=["file", "file-to-read", "file-to-write", "folder", "new-file", "way", "way-to-read"],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of another user, so it needs the superuser to make one")
def test_permission_denied(
    public_folder: Path, file_mode: int | None, folder_mode: int, read_only: bool, message: str
) -> None:
    path = public_folder / "frontier.db"
    if file_mode is not None:
        open_ledger(str(path)).close()
        path.chmod(file_mode)
    public_folder.chmod(folder_mode)
    before = everything_in(public_folder)
    with as_nobody(), pytest.raises(InputError, match=message) as refused:
        open_ledger(str(path), read_only=read_only)
    assert str(path) in str(refused.value)
    assert everything_in(public_folder) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of another user, so it needs the superuser to make one")
def test_another_user_may_read_while_the_writer_has_it_open(public_folder: Path) -> None:
    path = public_folder / "frontier.db"
    with open_ledger(str(path)), as_nobody(), open_ledger(str(path), read_only=True) as reader:
        assert reader.jobs().empty


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of another user, so it needs the superuser to make one")
def test_another_user_who_cannot_read_the_log_is_told_so(public_folder: Path) -> None:
    path = public_folder / "frontier.db"
    open_ledger(str(path)).close()
    before = everything_in(public_folder)
    with as_nobody(), pytest.raises(InputError, match="a writer must have it open or its folder be writable"):
        open_ledger(str(path), read_only=True)
    assert everything_in(public_folder) == before
