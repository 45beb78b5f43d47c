"""Controllers: who carries out what the ledger's users ask for, and whether they still live."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
from sqlalchemy import delete, select

from . import frames
from .leases import lease, require_name
from .tables import ControllerRow
from .transactions import Transactions, clock

# So long after its last word a controller that died without a word is still told of.
REMEMBERED = timedelta(days=1)


class ControllerLedger(Transactions):
    """The controllers of a ledger."""

    def announce(self, name: str, host: str, seconds: float) -> None:
        """Say that a controller is alive, for `seconds` from now; to be said again before they are over.

        Raises:
            InputError: it has no name, or the time no length.
        """
        require_name(name)
        length = lease(seconds)
        with self._writing() as session:
            moment = clock(session)
            row = session.get(ControllerRow, name)
            if row is None:
                row = ControllerRow(name=name, host=host, started_at=moment)
                session.add(row)
            row.host, row.seen_at, row.alive_until = host, moment, moment + length
            session.execute(delete(ControllerRow).where(ControllerRow.alive_until < moment - REMEMBERED))

    def take_leave(self, name: str) -> None:
        """Say that a controller has ended. One that is not there is no error."""
        with self._writing() as session:
            session.execute(delete(ControllerRow).where(ControllerRow.name == name))

    def controllers(self) -> pd.DataFrame:
        """Those that live and those that fell silent lately, the newest first; `alive` tells which."""
        with self._reading() as session:
            moment = clock(session)
            rows = list(session.scalars(select(ControllerRow).order_by(ControllerRow.started_at.desc())))
            told = [(row.name, row.host, row.started_at, row.seen_at, row.alive_until >= moment) for row in rows]
        return frames.frame(frames.CONTROLLERS, told)
