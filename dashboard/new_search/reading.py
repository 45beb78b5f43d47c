"""What the page for a new search reads: the devices there are, and how what it asked for stands."""

from __future__ import annotations

from dataclasses import dataclass

from ...db import Command
from ...errors import InputError
from ..jobs.waiting import shown_database
from ..reader import NotThere, Reader


@dataclass(frozen=True)
class NewSearchReading:
    """The ledger's devices by name, and how the ledger is named on a command line, without a password."""

    devices: tuple[str, ...]
    database: str


@dataclass(frozen=True)
class AskedReading:
    """What was asked for. `attended`: a controller is there to carry it out."""

    commands: dict[str, Command]
    attended: bool


def read_new_search(reader: Reader) -> NewSearchReading:
    """What the form proposes. Raises Unreadable where the ledger does not answer."""
    with reader.ledger() as ledger:
        return NewSearchReading(tuple(ledger.devices()["name"]), shown_database(reader.database, ledger.url))


def read_asked(reader: Reader, ids: dict[str, int]) -> AskedReading:
    """The commands of these numbers.

    Raises:
        NotThere: there is no such command.
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        try:
            commands = {kind: ledger.command(number) for kind, number in ids.items()}
        except InputError as error:
            raise NotThere("This ledger holds no such command.", str(error)) from None
        return AskedReading(commands, bool(ledger.controllers()["alive"].any()))
