"""A command that a controller has claimed, and the process that carries it out."""

from __future__ import annotations

import logging
import time

from ...db import Command, Ledger
from . import child
from .places import Places

log = logging.getLogger(__name__)

# A command that takes longer is ended: it stands in the way of those behind it.
LONGEST_SECONDS = 1800.0


class CommandRun:
    """One claimed command.

    What its process says of it is in the ledger. One that dies without a word leaves its claim to run out, so that
    another may try.
    """

    def __init__(self, ledger: Ledger, places: Places, command: Command, worker: str, lease_s: float) -> None:
        self._ledger, self._id, self._worker = ledger, command.id, worker
        self._began = time.monotonic()
        arguments = (command.id, worker, lease_s, places.runs, places.exports)
        self._process = child.start("command_process", places.database, *arguments)
        log.info("command %d: %s in process %d", command.id, command.kind, self._process.pid)

    def tend(self) -> bool:
        """See whether it has ended. True where it is over."""
        if self._process.poll() is not None:
            return True
        if time.monotonic() < self._began + LONGEST_SECONDS:
            return False
        child.kill(self._process)
        told = f"took longer than {LONGEST_SECONDS / 60:.0f} minutes"
        self._ledger.finish_command(self._id, self._worker, "failed", told)
        return True

    def renew(self, seconds: float) -> bool:
        """Hold the claim on. False where it was lost: the process is killed, as another carries the command out."""
        held = self._process.poll() is not None or self._ledger.renew_command(self._id, self._worker, seconds)
        if not held:
            child.kill(self._process)
        return held

    def hand_back(self) -> None:
        """End its process and leave the command to the next controller, unless it is done."""
        child.kill(self._process)
        self._ledger.finish_command(self._id, self._worker, "waiting")
