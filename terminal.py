"""What a command prints: tables, JSON, and the progress of a running job."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

STAGES = {
    "trace": "finding kernels",
    "profile": "measuring kernels",
    "fit": "fitting kernel tables",
    "train": "training the supernet",
    "search": "searching",
    "finetune": "fine-tuning finalists",
    "validate": "checking predicted latency",
}
LINES_PER_STAGE = 4
WIDTH_OF_A_FILE = 200


class TerminalReporter:
    """Shows a job: a progress bar per stage on a terminal, else a few plain lines."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._quiet = quiet
        self._bars = self._console.is_terminal and not quiet
        self._progress: Progress | None = None
        self._task: Any = None
        self._stage = ""
        self._said = 0

    def __enter__(self) -> TerminalReporter:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()

    def stage(self, name: str, total: int) -> None:
        self._stage, self._said = STAGES[name], 0
        self._stop()
        if self._bars:
            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[text]}"),
                console=self._console,
            )
            self._progress.start()
            self._task = self._progress.add_task(self._stage, total=total, text="")
        else:
            self._print(f"{self._stage} ...")

    def progress(self, done: int, total: int, text: str = "") -> None:
        if self._progress:
            self._progress.update(self._task, completed=done, total=total, text=text)
        elif total and done * LINES_PER_STAGE // total > self._said:
            self._said = done * LINES_PER_STAGE // total
            self._print(f"{self._stage}: {done}/{total} {text}")

    def note(self, message: str) -> None:
        self._print(message)

    def _print(self, message: str) -> None:
        if not self._quiet:
            self._console.print(message, markup=False, soft_wrap=True)

    def _stop(self) -> None:
        if self._progress:
            self._progress.stop()
            self._progress = None


def print_json(value: Any) -> None:
    """Plain JSON; what is not known (NaN, missing) is null."""
    json.dump(_plain(value), sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def print_frame(frame: pd.DataFrame, columns: dict[str, str]) -> None:
    """A data frame as a table: `columns` names what is shown and the heading of each."""
    if not len(frame):
        print("none")
        return
    table = Table(box=None, pad_edge=False)
    for name, heading in columns.items():
        table.add_column(heading, justify="right" if is_numeric_dtype(frame[name]) else "left", no_wrap=True)
    for _, row in frame.iterrows():
        table.add_row(*(_cell(row[name]) for name in columns))
    width = None if sys.stdout.isatty() else WIDTH_OF_A_FILE
    Console(highlight=False, markup=False, width=width).print(table)


def print_facts(facts: dict[str, Any]) -> None:
    """Names and values, a line each; a mapping gives a line per entry."""
    facts = {key: value for name, entry in facts.items() for key, value in _flat(name, entry)}
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        print(f"{name:<{width}}  {_cell(value)}")


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _flat(f"{name}.{key}", entry)
    else:
        yield name, value


def _plain(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return [_plain(row) for row in value.to_dict("records")]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if value is None or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def _cell(value: Any) -> str:
    plain = _plain(value)
    if plain is None:
        return "-"
    if isinstance(plain, datetime):
        return f"{plain:%Y-%m-%d %H:%M:%S}"
    if isinstance(plain, float):
        return f"{plain:.4g}"
    if isinstance(plain, int) and not isinstance(plain, bool):
        return f"{plain:,}"
    return str(plain)
