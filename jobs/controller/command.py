"""What carrying out a command takes and gives: one function per kind, in the table of `commands`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...db import Command, Ledger
from ...errors import InputError
from .places import Places

# How the text of a job file that came by a dashboard is named in messages.
JOB_FILE = "job file"


@dataclass(frozen=True)
class Order:
    """A command to carry out, and whom to tell how far it is: the share that is done, and what is being done."""

    command: Command
    ledger: Ledger
    places: Places
    tell: Callable[[float, str], None]

    def argument(self, name: str) -> str:
        """A text that the command came with. Raises InputError where it is missing."""
        value = self.command.arguments.get(name)
        if not isinstance(value, str):
            raise InputError(f"{self.command.kind}: {name}: a text; got {value!r}")
        return value


Work = Callable[[Order], dict[str, Any]]
