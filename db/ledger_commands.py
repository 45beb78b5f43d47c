"""Commands: what a dashboard asks for and a controller carries out, each by one worker at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from ..errors import InputError
from . import frames
from .columns import now, to_json_text
from .leases import lease, require_name
from .rows import Command
from .tables import CommandRow
from .transactions import Transactions, clock
from .words import COMMAND_KINDS, COMMAND_STATES

MOST_ATTEMPTS = 3
GIVEN_UP = f"given up after {MOST_ATTEMPTS} attempts: each time, whoever carried it out ended before it was done"
LONGEST_ARGUMENTS = 1_000_000  # characters of JSON


class CommandLedger(Transactions):
    """The commands of a ledger."""

    def add_command(self, kind: str, arguments: Mapping[str, Any], job_id: str | None = None) -> int:
        """Ask for something; it waits for a controller. Returns the number that it is known by.

        Raises:
            InputError: there is no such job, or the arguments are as long as a book.
        """
        assert kind in COMMAND_KINDS, f"kind: one of {COMMAND_KINDS}; got {kind!r}"
        length = len(to_json_text(dict(arguments)))
        if length > LONGEST_ARGUMENTS:
            raise InputError(f"arguments: at most {LONGEST_ARGUMENTS:,} characters; got {length:,}")
        with self._writing() as session:
            if job_id is not None:
                self._locked_job(session, job_id)
            row = CommandRow(kind=kind, job_id=job_id, arguments=dict(arguments), state="waiting", result={})
            session.add(row)
            session.flush()
            return row.id

    def command(self, command_id: int) -> Command:
        """How a command stands. Raises InputError where there is none of that number."""
        with self._reading() as session:
            row = session.get(CommandRow, command_id)
            if row is None:
                raise InputError(f"command: must be in {self.url}; got {command_id!r}")
            return _to_command(row)

    def commands(self, job_id: str | None = None, kind: str | None = None, limit: int = 100) -> pd.DataFrame:
        """The last `limit` commands, of a job or a kind where one is given, the newest first."""
        query = select(*(getattr(CommandRow, name) for name in frames.COMMANDS)).order_by(CommandRow.id.desc())
        if job_id is not None:
            query = query.where(CommandRow.job_id == job_id)
        if kind is not None:
            query = query.where(CommandRow.kind == kind)
        return self._frame(frames.COMMANDS, query.limit(limit))

    def claim_command(self, worker: str, seconds: float) -> Command | None:
        """Take the oldest command that waits or was abandoned. The claim holds for `seconds`, and on if renewed.

        A command that was abandoned as often as it may be is failed instead, and says so.

        Returns:
            The command, now running; None where none waits.

        Raises:
            InputError: the worker has no name, or the lease no length.
        """
        require_name(worker)
        length = lease(seconds)
        with self._reading() as session:  # who asks in vain, as most do, holds up nobody
            if session.scalar(select(CommandRow.id).where(_waits(clock(session))).limit(1)) is None:
                return None
        with self._writing() as session:
            moment = clock(session)
            _give_up(session, moment)
            first = select(CommandRow).where(_waits(moment)).order_by(CommandRow.id).limit(1)
            row = session.scalars(first.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return None
            row.state, row.claimed_by, row.lease_until = "running", worker, moment + length
            row.share, row.message, row.updated_at = 0.0, None, now()
            row.attempts += 1
            session.flush()
            return _to_command(row)

    def renew_command(
        self, command_id: int, worker: str, seconds: float, share: float | None = None, message: str | None = None
    ) -> bool:
        """Hold a claim for `seconds` from now, and say how much is done and what is being done (None: as before).

        False where the command is another's by now, or nobody's: then stop working.
        """
        length = lease(seconds)
        assert share is None or 0.0 <= share <= 1.0, f"share: from 0 to 1; got {share!r}"
        with self._writing() as session:
            row = _claimed(session, command_id, worker)
            if row is not None:
                row.lease_until, row.updated_at = clock(session) + length, now()
                row.share = row.share if share is None else float(share)
                row.message = row.message if message is None else message
            return row is not None

    def finish_command(
        self,
        command_id: int,
        worker: str,
        state: str,
        message: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> bool:
        """Say that a command is done or failed, with what came of it; "waiting" leaves it to the next worker.

        False where it is not the worker's, and it stays as it is.
        """
        assert state in COMMAND_STATES, f"state: one of {COMMAND_STATES}; got {state!r}"
        assert state != "running", "a command that is finished does not run"
        with self._writing() as session:
            row = _claimed(session, command_id, worker)
            if row is not None:
                row.state, row.claimed_by, row.lease_until, row.updated_at = state, None, None, now()
                row.message, row.result = message, dict(result or {})
                row.share = 1.0 if state == "done" else row.share
                row.attempts -= 1 if state == "waiting" else 0
            return row is not None


def _claimed(session: Session, command_id: int, worker: str) -> CommandRow | None:
    row = session.get(CommandRow, command_id, with_for_update=True)
    return row if row is not None and row.claimed_by == worker else None


def _abandoned(moment: datetime) -> ColumnElement[bool]:
    return and_(CommandRow.state == "running", CommandRow.lease_until < moment)


def _waits(moment: datetime) -> ColumnElement[bool]:
    """Nobody's yet, or its worker let the lease run out."""
    # The states once more by themselves, as no engine finds an index in the two halves.
    nobodys = or_(CommandRow.state == "waiting", _abandoned(moment))
    return and_(CommandRow.state.in_(("waiting", "running")), nobodys)


def _give_up(session: Session, moment: datetime) -> None:
    """Fail what was abandoned once too often."""
    spent = and_(_abandoned(moment), CommandRow.attempts >= MOST_ATTEMPTS)
    failed = {"state": "failed", "message": GIVEN_UP, "claimed_by": None, "lease_until": None, "updated_at": now()}
    session.execute(update(CommandRow).where(spent).values(failed), execution_options={"synchronize_session": False})


def _to_command(row: CommandRow) -> Command:
    return Command(**{name: getattr(row, name) for name in frames.COMMANDS})
