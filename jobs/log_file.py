"""The log of a job's drivers: what a reporter is told, line by line with its time, in the job's run folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from .reporter import Reporter

LOG_FILE = "driver.log"
LINES_PER_STAGE = 10


class Logged:
    """A reporter that also writes what it is told to a file; of progress a line now and then."""

    def __init__(self, reporter: Reporter, run_dir: Path) -> None:
        self._reporter = reporter
        self._path = run_dir / LOG_FILE
        self._stage, self._said = "", 0

    def stage(self, name: str, total: int) -> None:
        self._reporter.stage(name, total)
        self._stage, self._said = name, 0
        self._write(f"{name}: begins" + (f", {total} steps" if total else ""))

    def progress(self, done: int, total: int, text: str = "") -> None:
        self._reporter.progress(done, total, text)
        part = done * LINES_PER_STAGE // total if total else 0
        if part > self._said:
            self._said = part
            self._write(f"{self._stage}: {done}/{total} {text}".rstrip())

    def note(self, message: str) -> None:
        self._reporter.note(message)
        self._write(message)

    def _write(self, line: str) -> None:
        with self._path.open("a") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}\n")
