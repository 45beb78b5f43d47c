"""A server that restarts, a disk that is full, a file that is locked: one clear line, nothing lost, and it goes on."""

from __future__ import annotations

import math
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from frontier.db import DuplicateEvaluation, Evaluation, Job, Ledger, LedgerUnavailable, open_ledger, patiently
from frontier.db.mounts import file_system_of
from frontier.errors import InputError

from .killed_writer import batch_of
from .postgresql_server import PostgresqlServer, running_server
from .writers import JOB, check_front, check_rows

MakeEvaluation = Callable[..., Evaluation]
LIMIT_SECONDS = 60


def make_job(ledger: Ledger) -> Job:
    return ledger.create_job(
        job_id=JOB, name="n", config={}, space={}, run_dir="r", objectives=["val_loss", "latency_ms"]
    )


@pytest.fixture
def own_server(postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    """A server that may be stopped while others use the shared one."""
    with running_server() as server:
        yield server


def test_a_server_that_restarts_loses_nothing_and_the_writer_goes_on(own_server: PostgresqlServer) -> None:
    acknowledged: list[int] = []
    errors: list[BaseException] = []
    enough = threading.Event()

    with open_ledger(own_server.create("restarted")) as ledger:
        make_job(ledger)

        def write() -> None:
            try:
                number = 0
                while not enough.is_set():
                    ledger.record(JOB, batch_of(number), patience_s=LIMIT_SECONDS)
                    acknowledged.append(number)
                    number += 1
            except BaseException as error:
                errors.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        for at_once in (True, False, True):
            seen = len(acknowledged)
            wait_until(lambda seen=seen: len(acknowledged) >= seen + 5 or not writer.is_alive())
            own_server.stop(at_once=at_once)
            own_server.start()
        enough.set()
        writer.join(timeout=LIMIT_SECONDS)
        assert errors == []
        assert check_rows(ledger, set(acknowledged)) == len(acknowledged)
        check_front(ledger)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.005)


def test_a_server_that_is_gone_is_said_in_one_line(own_server: PostgresqlServer) -> None:
    database = own_server.create("gone")
    with open_ledger(database) as ledger:
        make_job(ledger)
        own_server.stop()
        for ask in (ledger.jobs, lambda: ledger.record(JOB, batch_of(0))):
            with pytest.raises(LedgerUnavailable, match="database: does not answer") as refused:
                ask()
            assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match=r"database: cannot be opened .*got 'postgresql") as refused:
        open_ledger(database)
    assert "\n" not in str(refused.value)


def lose_the_answer(ledger: Ledger) -> None:
    """Have the next commit come about and the answer be lost, as when the connection breaks at that moment."""

    def commit_and_fail(connection: Any) -> None:
        event.remove(ledger._writer, "commit", commit_and_fail)
        connection.connection.dbapi_connection.commit()
        raise LedgerUnavailable("database: does not answer")

    event.listen(ledger._writer, "commit", commit_and_fail)


def test_a_batch_whose_answer_was_lost_is_not_written_twice(
    ledger: Ledger, job: Job, evaluation: MakeEvaluation
) -> None:
    ledger.record(job.id, [evaluation("a", 3.0, 3.0)])
    broken = evaluation("c", math.nan, 9.0, state="failed", reason="a\x00b", param_count=7, extrapolates=True)
    lose_the_answer(ledger)
    assert ledger.record(job.id, [evaluation("b", 1.0, 2.0), broken], patience_s=5) == 2
    assert list(ledger.evaluations(job.id)["digest"]) == ["a", "b", "c"]
    lose_the_answer(ledger)
    with pytest.raises(LedgerUnavailable):
        ledger.record(job.id, [evaluation("d", 1.0, 1.0)])
    with pytest.raises(DuplicateEvaluation):  # another's batch that holds the same architecture is no answer to ours
        ledger.record(job.id, [evaluation("d", 5.0, 5.0), evaluation("e", 1.0, 1.0)], patience_s=5)
    assert ledger.record(job.id, [evaluation("e", 0.5, 0.5)]) == 2


def test_patience_ends() -> None:
    tries: list[float] = []

    def ask() -> None:
        tries.append(time.monotonic())
        raise LedgerUnavailable("database: is locked")

    with pytest.raises(LedgerUnavailable):
        patiently(ask, 0.3)
    assert len(tries) >= 3
    assert tries[-1] - tries[0] < 5
    tries.clear()
    with pytest.raises(LedgerUnavailable):
        patiently(ask, 0)
    assert len(tries) == 1


def test_a_full_file_is_said_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    with open_ledger(str(tmp_path / "frontier.db")) as ledger:
        make_job(ledger)
        with limited(ledger, "PRAGMA max_page_count = 90"):
            written, said = written_until_refused(ledger, batch_of)
            assert "database: has no room left (database or disk is full)" in said
            assert check_rows(ledger, set(range(written))) == written
        ledger.record(JOB, batch_of(written))
        assert check_rows(ledger, set(range(written + 1))) == written + 1
        check_front(ledger)


@contextmanager
def limited(ledger: Ledger, setting: str) -> Iterator[None]:
    """A setting on every connection that the ledger makes meanwhile."""

    def limit(connection: Any, *_: object) -> None:
        connection.execute(setting)

    ledger._engine.dispose()
    event.listen(ledger._engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(ledger._engine, "connect", limit)
        ledger._engine.dispose()


def test_a_file_that_may_not_grow_is_said_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    with open_ledger(str(tmp_path / "frontier.db")) as ledger:
        make_job(ledger)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, before[1]))
        try:
            written, said = written_until_refused(ledger, batch_of)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert "database: cannot be read or written" in said
        ledger.record(JOB, batch_of(written), patience_s=LIMIT_SECONDS)
        assert check_rows(ledger, set(range(written + 1))) == written + 1
        check_front(ledger)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 32 MB, where this machine lets one be made."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=0777", "none", folder]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
            pytest.skip("needs the right to mount a small file system")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"], indirect=True)
def test_a_full_disk_is_said_and_writing_goes_on_when_there_is_room(
    engine_name: str, small_disk: Path, request: pytest.FixtureRequest
) -> None:
    database = str(small_disk / "frontier.db")
    if engine_name == "postgresql":
        database = on_small_disk(request, small_disk)
    with open_ledger(database) as ledger:
        make_job(ledger)
        filler = small_disk / "filler"
        filler.write_bytes(b"\0" * (shutil.disk_usage(small_disk).free - 2_000_000))
        written, said = written_until_refused(ledger, lambda number: [*batch_of(number), large(number)])
        assert "database: has no room left" in said
        filler.unlink()
        ledger.record(JOB, [*batch_of(written), large(written)], patience_s=LIMIT_SECONDS)
        digests = list(ledger.evaluations(JOB)["digest"])
        assert len(digests) == len(set(digests)) == 6 * (written + 1)


def written_until_refused(ledger: Ledger, batch: Callable[[int], list[Evaluation]]) -> tuple[int, str]:
    """Record batches until one is refused. Returns how many were acknowledged, at least one, and what was said."""
    said = ""
    for written in range(10_000):
        try:
            ledger.record(JOB, batch(written))
        except LedgerUnavailable as refused:
            said = str(refused)
            break
    assert said, "there was room for everything"
    assert written > 0, "the first batch was refused"
    assert "\n" not in said
    return written, said


def large(number: int) -> Evaluation:
    noise = os.urandom(40_000).hex()  # random, as the server compresses long texts
    return Evaluation(
        architecture={"noise": noise}, digest=f"large-{number}", fidelity="inherited", state="failed", reason=noise
    )


def on_small_disk(request: pytest.FixtureRequest, folder: Path) -> str:
    """A database whose tables lie there, while the server's log of changes does not."""
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    space = folder / "space"
    server.make_tablespace("small", space)
    with server.connection("postgres") as connection:
        connection.execute("CREATE DATABASE small_disk TEMPLATE template0 TABLESPACE small STRATEGY file_copy")

    def drop() -> None:
        server.drop("small_disk")
        with server.connection("postgres") as connection:
            connection.execute("DROP TABLESPACE small")

    request.addfinalizer(drop)
    return server.url("small_disk")


def test_a_locked_file_is_waited_for_and_then_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "frontier.db"
    monkeypatch.setattr("frontier.db.sqlite.BUSY_SECONDS", 0.2)
    with open_ledger(str(path)) as ledger, closing(plain_connection(path)) as other:
        make_job(ledger)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable, match="database: is locked by another process") as refused:
            ledger.record(JOB, batch_of(0))
        assert "\n" not in str(refused.value)
        assert ledger.jobs()["evaluations"][0] == 0
        letting_go = threading.Timer(0.4, lambda: other.execute("ROLLBACK"))
        letting_go.start()
        ledger.record(JOB, batch_of(0), patience_s=LIMIT_SECONDS)
        assert check_rows(ledger, {0}) == 1


def plain_connection(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def test_a_server_that_may_only_be_read_is_said(database: str, ledger: Ledger, job: Job) -> None:
    with open_ledger(database, read_only=True) as reader:
        reader._read_only = False  # past our own refusal, to the engine's
        with pytest.raises(InputError, match="database: is read-only") as refused:
            reader.add_event(job.id, "train", "k", "m")
        assert "\n" not in str(refused.value)
        assert not isinstance(refused.value, LedgerUnavailable)


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /home rw - nfs4 server:/home rw
31 30 0:27 / /home/local\\040disk rw - xfs /dev/vdb rw
32 22 0:28 / /mnt/share rw shared:5 - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/f.db", "ext4"),
        ("/home/me/f.db", "nfs4"),
        ("/home/local disk/f.db", "xfs"),
        ("/homely/f.db", "ext4"),
        ("/mnt/share/f.db", "cifs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_nearest_mount(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frontier.db.sqlite.file_system_of", lambda path: "nfs4")
    with pytest.raises(InputError, match="disk of this machine, or use PostgreSQL; this is nfs4; got"):
        open_ledger(str(tmp_path / "frontier.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_address_is_said_in_one_line_without_its_password() -> None:
    with pytest.raises(InputError, match="database: cannot be opened") as refused:
        open_ledger("postgresql+psycopg://user:secret@127.0.0.1:1/frontier")
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_database_that_is_not_there_is_said_in_one_line(postgresql: PostgresqlServer) -> None:
    with pytest.raises(InputError, match=r'database: cannot be opened .*database "nowhere" does not exist'):
        open_ledger(postgresql.url("nowhere"))
