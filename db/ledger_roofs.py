"""How fast a device was ever seen to compute and to move memory: the roofs of its roofline."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from .tables import MeasurementRow
from .transactions import Transactions

# Shorter ones are a difference of two times little longer than they are, and some seem infinitely fast.
LEAST_US = 5.0


@dataclass(frozen=True)
class Roofs:
    """The most that any of `kernels` measured kernel calls reached: operations and bytes per second.

    Only calls of at least `LEAST_US` count.
    """

    flops_per_second: float
    bytes_per_second: float
    kernels: int


class RoofLedger(Transactions):
    """The roofs of a ledger's devices."""

    def roofs(self, device: str) -> Roofs | None:
        """The roofs of a device by its measurements; None where no kernel of any length was measured there."""
        microseconds = MeasurementRow.median_us
        query = select(
            func.max(1e6 * MeasurementRow.flops / microseconds),
            func.max(1e6 * MeasurementRow.bytes / microseconds),
            func.count(),
        ).where(MeasurementRow.device == device, microseconds >= LEAST_US)
        with self._reading() as session:
            flops, moved, kernels = session.execute(query).one()
        return Roofs(float(flops), float(moved), int(kernels)) if kernels else None
