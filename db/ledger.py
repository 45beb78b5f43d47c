"""The ledger: one open database, and all that can be written to it and read from it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from .ledger_commands import CommandLedger
from .ledger_controllers import ControllerLedger
from .ledger_devices import DeviceLedger
from .ledger_evaluations import EvaluationLedger
from .ledger_fronts import FrontLedger
from .ledger_jobs import JobLedger
from .ledger_lineage import LineageLedger
from .ledger_nodes import NodeLedger
from .ledger_notes import NoteLedger
from .ledger_overview import OverviewLedger
from .ledger_pages import PageLedger
from .ledger_points import PointLedger
from .ledger_progress import ProgressLedger
from .ledger_queue import QueueLedger
from .ledger_recording import RecordingLedger
from .ledger_retention import RetentionLedger
from .ledger_roofs import RoofLedger
from .ledger_tables import TableLedger
from .ledger_traces import TraceLedger


class Ledger(
    JobLedger,
    QueueLedger,
    CommandLedger,
    ControllerLedger,
    NodeLedger,
    RecordingLedger,
    EvaluationLedger,
    FrontLedger,
    PageLedger,
    PointLedger,
    OverviewLedger,
    ProgressLedger,
    TraceLedger,
    NoteLedger,
    RetentionLedger,
    LineageLedger,
    DeviceLedger,
    RoofLedger,
    TableLedger,
):
    """An open ledger, from `open_ledger`. Every method is one transaction; a context manager that closes it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
