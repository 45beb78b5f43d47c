"""A driver in a process of its own, watched from outside: what it holds in the ledger, which processes are its."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from conftest import frontier_command

from frontier.db import Ledger

LIMIT_SECONDS = 300
VOLATILE = ["created_at", "seconds", "worker"]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str], what: str) -> None:
    """Wait for a condition of the running driver; its own end or the limit fail the test."""
    give_up = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert process.poll() is None, f"the driver ended before {what}: {process.communicate()[1][-2000:]}"
        assert time.monotonic() < give_up, f"waited {LIMIT_SECONDS} s for {what}"
        time.sleep(0.02)


def start(job_file: Path, db: Path, runs: Path) -> tuple[subprocess.Popen[str], str]:
    """Launch a job by the command a user would type; its driver, and its id as soon as that is told."""
    process = frontier_command("search", job_file, "--db", db, "--runs", runs)
    assert process.stdout is not None
    return process, process.stdout.readline().split()[1].rstrip(";")


def wait_until_gone(process: subprocess.Popen[str]) -> None:
    """Wait for the end of a driver that was killed, and for that of the cluster it started."""
    folders = ray_folders_of(process.pid)
    process.communicate(timeout=LIMIT_SECONDS)
    for folder in folders:
        give_up = time.monotonic() + 60
        while processes_using(folder):
            assert time.monotonic() < give_up, f"Ray outlives its driver: {processes_using(folder)}"
            time.sleep(0.1)


def ray_folders_of(pid: int) -> list[Path]:
    return list(Path("/tmp").glob(f"frontier-ray-{pid}-*"))


def processes_using(folder: Path) -> list[str]:
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder) in command.read_bytes().decode(errors="replace"):
                found.append(str(command))
        except OSError:
            continue
    return found


def rows(ledger: Ledger, job_id: str, fidelity: str) -> dict[str, tuple[object, ...]]:
    """Everything the ledger holds of each evaluation."""
    frame = ledger.evaluations(job_id, fidelity).drop(columns=["on_front", "architecture"])
    assert frame["digest"].is_unique
    return {row.digest: tuple(map(str, row)) for row in frame.itertuples(index=False)}


def outcome(ledger: Ledger, job_id: str) -> list[dict[str, object]]:
    """What two searches of one seed must agree on, in their order."""
    frame = ledger.evaluations(job_id, "inherited")
    return frame.drop(columns=VOLATILE).map(str).to_dict("records")
