"""The process that a controller has a command carried out in: `python -m frontier.jobs.controller.command_process`."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

from ...db import Ledger, LedgerUnavailable, open_ledger, patiently
from ..running import reason_of
from .child import database_of_this_process
from .command import Order
from .commands import COMMANDS
from .places import Places

# So long the ledger may be away before what came of a command is lost, and it is carried out again.
PATIENCE_SECONDS = 300.0


def carry_out(ledger: Ledger, places: Places, command_id: int, worker: str, lease_s: float) -> None:
    """Carry a claimed command out, and tell the ledger how far it is and how it ended."""
    command = ledger.command(command_id)

    def tell(share: float, message: str) -> None:
        patiently(lambda: ledger.renew_command(command_id, worker, lease_s, share, message), PATIENCE_SECONDS)

    def finish(state: str, message: str | None, result: dict[str, Any]) -> None:
        patiently(lambda: ledger.finish_command(command_id, worker, state, message, result), PATIENCE_SECONDS)

    try:
        result = COMMANDS[command.kind](Order(command, ledger, places, tell))
    except LedgerUnavailable:
        raise
    except Exception as error:
        traceback.print_exc()
        finish("failed", reason_of(error), {})
    else:
        finish("done", None, result)


def main(command_id: str, worker: str, lease_s: str, runs: str, exports: str) -> None:
    """Carry a command out for a worker that has claimed it."""
    places = Places(database_of_this_process(), Path(runs), Path(exports))
    with open_ledger(places.database, create=False) as ledger:
        carry_out(ledger, places, int(command_id), worker, float(lease_s))


if __name__ == "__main__":
    main(*sys.argv[1:])
