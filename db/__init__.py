"""The ledger: every job, evaluation, front and device in SQL. The only room that imports sqlalchemy."""

from __future__ import annotations

from .failures import LedgerUnavailable
from .hypervolume import hypervolume
from .ledger import Ledger
from .ledger_overview import Standing
from .ledger_pages import Filter
from .ledger_retention import Vacuumed
from .ledger_roofs import Roofs
from .opening import open_ledger, upgrade
from .patience import patiently
from .rows import (
    Command,
    CurvePoint,
    Device,
    DuplicateEvaluation,
    Evaluation,
    Job,
    KernelMeasurement,
    KernelTable,
    Node,
    Quality,
    ValidationRow,
)
from .transfer import export_job, import_job, write_evaluations

__all__ = [
    "Command",
    "CurvePoint",
    "Device",
    "DuplicateEvaluation",
    "Evaluation",
    "Filter",
    "Job",
    "KernelMeasurement",
    "KernelTable",
    "Ledger",
    "LedgerUnavailable",
    "Node",
    "Quality",
    "Roofs",
    "Standing",
    "Vacuumed",
    "ValidationRow",
    "export_job",
    "hypervolume",
    "import_job",
    "open_ledger",
    "patiently",
    "upgrade",
    "write_evaluations",
]
